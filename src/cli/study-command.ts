import { Command } from 'commander';
import { readFile } from 'node:fs/promises';
import { buildStudyDocument, describeFinding, render } from '../report/index.js';
import {
  type BarewireError,
  type ResolvedStudy,
  toolsOf,
  userError,
  YamlText,
  fileFault,
} from '../schema/index.js';
import {
  directoryName,
  findBlockers,
  newestUnfinished,
  planStudyOnHosts,
  ARTICLE,
  printPlan,
  preset,
  requireMachine,
  resolveSpec,
  ResultsDirectory,
  runStudy,
} from '../study/index.js';
import { DEPLOYED, findTestbedKind, planTestbed, requireTestbed } from '../testbed/index.js';
import { confirm, describeLoad } from './confirm.js';
import { describeCluster, printObjects } from './describe-cluster.js';
import type { Context } from './format.js';
import { overrides, testbedText, withStudyOptions, type StudyFlags } from './study-options.js';
import { showProgress } from './study-progress.js';

export const studyCommand = (context: Context): Command =>
  withStudyOptions(new Command('study'))
    .summary('compare container networks')
    .description(
      'Sets up two hosts and every network that can run, loads a real nginx at constant rates, restores the machine, ' +
        'and reports what each network costs. PRESET is quick (the default) or machinezone-2015; FILE is YAML or JSON.',
    )
    .action((what: string | undefined, flags: StudyFlags) => study(context, what, flags));

async function study(context: Context, what: string | undefined, flags: StudyFlags): Promise<void> {
  const { terminal, signal, version } = context;
  refuseReplaced(flags);
  const startedAt = new Date().toISOString();
  const { spec, directory } = flags.resume === true ? await resumed(what, flags) : await fresh(what, flags);
  const kind = findTestbedKind(spec.testbed);
  const { madeHere, usersMachines, spares } = kind;
  const isDocker = spec.testbed.docker !== undefined;
  const tools = [...toolsOf('study'), ...(isDocker ? toolsOf('docker') : [])];
  if (flags.dryRun === true) {
    if (madeHere)
      for (const finding of await findBlockers(tools, directory.path))
        terminal.note(`error  ${describeFinding(finding)}`);
    const plan = await planStudyOnHosts(spec);
    const { cluster } = plan.testbed;
    if (flags.json === true) terminal.print(JSON.stringify(plan, null, 2));
    else if (cluster === undefined) terminal.print(printPlan(plan));
    else terminal.print(`${describeCluster(plan, cluster)}\n\n${printPlan(plan)}\n${printObjects(cluster)}`);
    return;
  }
  if (madeHere) await requireMachine(tools, directory.path);
  await using _prepared = await kind.prepare(spec.testbed.options ?? {});
  // Hosts that others use are shown before anything on them is asked for.
  const plan = spares ? await planStudyOnHosts(spec) : undefined;
  if (plan?.testbed.cluster !== undefined) terminal.note(describeCluster(plan, plan.testbed.cluster));
  else if (usersMachines && flags.yes !== true) terminal.note(describeLoad(spec));
  if (usersMachines && flags.yes !== true) await confirm();
  const request = { spec, plan, directory, startedAt, version, signal, onEvent: showProgress(terminal) };
  const summary = await runStudy(request).catch(async (error: unknown) => {
    if (await directory.exists())
      terminal.note(
        `Kept: ${directory.path}. Continue with: barewire study --resume --out ${directory.path}`,
      );
    throw error;
  });
  if (flags.json === true) terminal.print(JSON.stringify(summary, null, 2));
  else {
    const { colour, width } = terminal;
    const report = render(buildStudyDocument(summary), 'terminal', { colour, width });
    terminal.print(`${report}\nReport: ${directory.path}/report.html\n`);
  }
  const cells = summary.networks.flatMap((network) => network.cells);
  if (!summary.complete || cells.some(({ slices, failedSlices }) => slices === 0 || failedSlices > 0))
    context.fail();
}

/** @throws BarewireError `bad-input` for an option of an earlier version, with its replacement */
function refuseReplaced({ blocks, duration }: StudyFlags): void {
  if (blocks !== undefined)
    throw bad('--blocks was replaced by --restarts and --rounds.', 'Use --time 3m for the whole study.');
  if (duration !== undefined)
    throw bad('--duration was replaced by --time and --slice.', 'Use --time 3m for the whole study.');
}

interface Chosen {
  readonly spec: ResolvedStudy;
  readonly directory: ResultsDirectory;
}

async function fresh(what: string | undefined, flags: StudyFlags): Promise<Chosen> {
  const spec = await specOf(what, flags, () => Math.floor(Math.random() * 2 ** 31));
  const directory = new ResultsDirectory(flags.out ?? `results/${directoryName(spec.name, new Date())}`);
  if (flags.dryRun !== true && (await directory.exists()))
    throw bad(
      `${directory.path} already contains a study.`,
      'Add --resume to continue it, or choose another directory with --out.',
    );
  return { spec, directory };
}

/** Resolves a resume: the spec of the directory. Options on the command line must describe the same study. */
async function resumed(what: string | undefined, flags: StudyFlags): Promise<Chosen> {
  const directory =
    flags.out === undefined ? await newestUnfinished('results') : new ResultsDirectory(flags.out);
  if (!(await directory.exists())) return fresh(what, flags);
  const { spec } = await directory.readStudy();
  if (what === undefined && !Object.values(overrides(flags)).some((value) => value !== undefined))
    return { spec, directory };
  const asked = await specOf(what ?? spec.name, flags, () => spec.seed);
  const { [DEPLOYED.name]: twin } = spec.references;
  const without = (names: readonly string[]): string =>
    String(names.filter((name) => name !== twin && name !== spec.reference));
  const hasTwin = twin !== undefined && without(asked.networks) === without(spec.networks);
  const derived = [
    ...FROM_HOSTS,
    ...(spec.timeMs === null ? [] : FROM_TIME),
    ...(hasTwin ? (['networks'] as const) : []),
  ];
  for (const key of Object.keys({ ...spec, ...asked }) as (keyof ResolvedStudy)[])
    if (!derived.includes(key) && JSON.stringify(asked[key]) !== JSON.stringify(spec[key]))
      throw bad(
        `The study of ${directory.path} has ${key} ${JSON.stringify(spec[key])}, not ${JSON.stringify(asked[key])}.`,
        'Omit the options to continue that study, or choose another directory with --out.',
      );
  return { spec, directory };
}

/** Derived from the time when the networks that can run are known. */
const FROM_TIME: readonly (keyof ResolvedStudy)[] = ['rounds', 'durationMs'];
/** From the memory of the hosts, and from the first restart. */
const FROM_HOSTS: readonly (keyof ResolvedStudy)[] = [
  'together',
  'apart',
  'testbed',
  'reference',
  'references',
];

async function specOf(
  what: string | undefined,
  flags: StudyFlags,
  freshSeed: () => number,
): Promise<ResolvedStudy> {
  const name = what ?? 'quick';
  const isFile = /\.(ya?ml|json)$/.test(name) || name.includes('/');
  const { presetNetworks } = findTestbedKind(requireTestbed(testbedText(flags) ?? 'netns'));
  if (isFile) {
    const text = await readSpec(name);
    return resolveSpec(text.value, { name, text }, overrides(flags), freshSeed);
  }
  const input = {
    ...preset(name, await countServerCpus(name, flags)),
    ...(presetNetworks === undefined ? {} : { networks: presetNetworks }),
  };
  return resolveSpec(input, `The preset ${name}`, overrides(flags), freshSeed);
}

/** Read only where a preset depends on it. */
async function countServerCpus(name: string, flags: StudyFlags): Promise<number> {
  if (name !== ARTICLE) return 0;
  const choice = requireTestbed(testbedText(flags) ?? 'netns');
  const plan = await planTestbed(choice, { wire: { mtu: 1500, rateMbps: null } });
  return plan.hosts.server.cpus.length;
}

async function readSpec(path: string): Promise<YamlText> {
  const text = await readFile(path, 'utf8').catch((error: unknown) => {
    throw bad(
      `Could not read the spec ${path}: ${fileFault(error)}.`,
      'Name a readable YAML or JSON file.',
      error,
    );
  });
  return new YamlText(path, text);
}

const bad = (message: string, hint: string, cause?: unknown): BarewireError =>
  userError(message, hint, { cause });
