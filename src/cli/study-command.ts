import { Command, Option } from 'commander';
import { readFile } from 'node:fs/promises';
import { parse as parseYaml } from 'yaml';
import { buildStudyDocument, render } from '../report/index.js';
import { type BarewireError, type ResolvedStudy, toolsOf, userError } from '../schema/index.js';
import {
  directoryName,
  newestUnfinished,
  planStudyOnHosts,
  ARTICLE,
  printPlan,
  preset,
  requireMachine,
  resolveSpec,
  ResultsDirectory,
  runStudy,
  type SpecOverrides,
} from '../study/index.js';
import {
  findTestbedKind,
  parseTestbed,
  planTestbed,
  requireTestbed,
  testbedKinds,
} from '../testbed/index.js';
import { confirm, describeLoad } from './confirm.js';
import { describeCluster, printObjects } from './describe-cluster.js';
import type { Context } from './format.js';
import { showProgress } from './study-progress.js';

interface StudyFlags {
  readonly testbed?: string;
  readonly kernel?: string;
  readonly containers?: string;
  readonly nodes?: string;
  readonly namespace?: string;
  readonly createNamespace?: true;
  readonly imageNode?: string;
  readonly imageNginx?: string;
  readonly imagePullSecret?: string;
  readonly ip?: string;
  readonly networks?: string;
  readonly workloads?: string;
  readonly rates?: string;
  readonly maximum?: true;
  readonly objective?: string;
  readonly restarts?: string;
  readonly time?: string;
  readonly precision?: string;
  readonly rounds?: string;
  readonly slice?: string;
  readonly duration?: string;
  readonly blocks?: string;
  readonly connections?: string;
  readonly generator?: string;
  readonly seed?: string;
  readonly out?: string;
  readonly resume?: true;
  readonly dryRun?: true;
  readonly yes?: true;
  readonly json?: true;
}

export const studyCommand = (context: Context): Command =>
  new Command('study')
    .summary('compare container networks')
    .description(
      'Sets up two hosts and every network that can run, loads a real nginx at constant rates, restores the machine, ' +
        'and reports what each network costs. PRESET is quick (the default) or machinezone-2015; FILE is YAML or JSON.',
    )
    .argument('[preset|file]', 'what to study (default: quick)')
    .option(
      '--testbed <testbed>',
      `where: ${testbedKinds()
        .map(({ usage, description }) => `${usage.join(' or ')} (${description})`)
        .join(', ')}`,
    )
    .option('--kernel <path>', 'with --testbed vm: the kernel of the guests, a bzImage with its modules')
    .option('--containers <kind>', 'what server and generator run in: namespace (the default) or docker')
    .option(
      '--nodes <names>',
      "with --testbed kubernetes: the client's node and the server's, comma-separated",
    )
    .option(
      '--namespace <name>',
      "with --testbed kubernetes: where the pods are created (default: the context's)",
    )
    .option('--create-namespace', 'with --testbed kubernetes: create the namespace, and delete it at the end')
    .option(
      '--image-node <image>',
      'image with Node 20 or newer for generator and agent (default: a public one)',
    )
    .option('--image-nginx <image>', 'image with nginx for the server (default: a public one)')
    .option('--image-pull-secret <name>', 'with --testbed kubernetes: the secret that pulls these images')
    .option('--ip <version>', 'version of IP between the containers: 4 (the default) or 6')
    .option('--networks <names>', 'comma-separated catalog names; see `barewire networks`')
    .option('--workloads <names>', 'comma-separated: 350B, 4KB')
    .option('--rates <rates>', "comma-separated: 50000, 50k, or shares of the reference's maximum: 10%,30%")
    .option('--maximum', 'search the highest rate that each network sustains')
    .option(
      '--objective <criteria>',
      'what the decision minimises: p99@50%, cpu, setup, max (the maximum), max:p99<2ms; several with commas, weights as *2',
    )
    .option('--time <time>', 'for the whole study: 3m (the default), 20s, 1h; the rounds follow from it')
    .option(
      '--precision <precision>',
      "stop when every interval is this narrow: 'p50 3%'; --time is then the longest time",
    )
    .option(
      '--restarts <n>',
      'how often everything is torn down and set up again (default: 8; in less than 3 minutes one for each 22 s)',
    )
    .option('--rounds <n>', 'in each restart; a round measures every network and rate once, in random order')
    .option('--slice <time>', 'window of one measurement: 400ms, 2s (default: so that about 48 rounds fit)')
    .addOption(new Option('--duration <time>').hideHelp())
    .addOption(new Option('--blocks <n>').hideHelp())
    .option('--connections <n>', 'connections that the generator keeps open')
    .option(
      '--generator <name>',
      'cross-check: wrk2, tcpkali, wrk or h2load makes the load (default: barewire)',
    )
    .option('--seed <n>', 'seed of the random order; recorded, so that a study can be repeated')
    .option('--out <dir>', 'the results directory (default: results/NAME-TIME)')
    .option(
      '--resume',
      'continue the study of --out, or the newest unfinished one; no slice is measured twice',
    )
    .option('--dry-run', 'print the plan (hosts, every step, every slice) and change nothing')
    .option('--yes', 'do not ask before loading your machines (required without a terminal)')
    .option('--json', 'print summary.json; with --dry-run, the plan')
    .addHelpText(
      'after',
      `
Examples:
  barewire study                                       the quick study, about three minutes
  barewire study --networks host,macvlan --rates 20k   two networks at 20,000 requests/s
  barewire study --objective 'max:p99<2ms'             decide by the highest rate that keeps a latency
  barewire study --objective 'p99@50%*2,cpu,setup'     decide by several criteria, the first twice as much
  barewire study machinezone-2015                      the article's study, scaled to this machine, beside its figures
  barewire study my-study.yaml --out results/mine      a spec of your own
  barewire study --testbed vm --networks host,ipvlan   on two guests with a kernel that has IPvlan
  barewire study --testbed ssh:web1,db1/eth2           on two machines, over db1's eth2
  barewire study --resume                              after Ctrl-C or a crash

A spec has the keys: name, testbed, containers (namespace, docker), imageNode, imageNginx, ip, networks, workloads, rates, maximum, objective, time, precision, restarts, rounds, slice,
warmup, timeout, connections, congestionControl (cubic, …, unchanged), generator, arrival (constant, poisson),
article (full, scaled), seed, margin, tailMargin, wire: {mtu, rateMbps}.
With --testbed kubernetes an entry of networks may be an object: name, like (pod, service, …), pod (a template of metadata and
spec, merged into the pods), nodes: [CLIENT, SERVER], address (an interface of the pod: net1).`,
    )
    .action((what: string | undefined, flags: StudyFlags) => study(context, what, flags));

async function study(context: Context, what: string | undefined, flags: StudyFlags): Promise<void> {
  const { terminal, signal, version } = context;
  refuseReplaced(flags);
  const startedAt = new Date().toISOString();
  const { spec, directory } = flags.resume === true ? await resumed(what, flags) : await fresh(what, flags);
  if (flags.dryRun === true) {
    const plan = await planStudyOnHosts(spec);
    const { cluster } = plan.testbed;
    if (flags.json === true) terminal.print(JSON.stringify(plan, null, 2));
    else if (cluster === undefined) terminal.print(printPlan(plan));
    else terminal.print(`${describeCluster(plan, cluster)}\n\n${printPlan(plan)}\n${printObjects(cluster)}`);
    return;
  }
  const kind = findTestbedKind(spec.testbed);
  const { madeHere, usersMachines, spares } = kind;
  const isDocker = spec.testbed.docker !== undefined;
  if (madeHere) requireMachine([...toolsOf('study'), ...(isDocker ? toolsOf('docker') : [])]);
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
  const derived = [...FROM_HOSTS, ...(spec.timeMs === null ? [] : FROM_TIME)];
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
  const input = isFile
    ? await readSpec(name)
    : {
        ...preset(name, await countServerCpus(name, flags)),
        ...(presetNetworks === undefined ? {} : { networks: presetNetworks }),
      };
  return resolveSpec(input, isFile ? name : `The preset ${name}`, overrides(flags), freshSeed);
}

/** Read only where a preset depends on it. */
async function countServerCpus(name: string, flags: StudyFlags): Promise<number> {
  if (name !== ARTICLE) return 0;
  const choice = requireTestbed(testbedText(flags) ?? 'netns');
  const plan = await planTestbed(choice, { wire: { mtu: 1500, rateMbps: null } });
  return plan.hosts.server.cpus.length;
}

async function readSpec(path: string): Promise<unknown> {
  const text = await readFile(path, 'utf8').catch((error: unknown) => {
    throw bad(
      `Could not read the spec ${path}: ${String(error)}`,
      'Name a readable YAML or JSON file.',
      error,
    );
  });
  try {
    return parseYaml(text);
  } catch (error) {
    throw bad(`The spec ${path} is not YAML: ${String(error)}`, 'JSON is YAML too.', error);
  }
}

const list = (text: string | undefined): string[] | undefined => text?.split(',').map((item) => item.trim());
/** Digits become a number. Other text is passed on and refused with its value. */
const number = (text: string | undefined): string | number | undefined =>
  text !== undefined && /^-?\d+(\.\d+)?$/.test(text) ? Number(text) : text;

const overrides = (flags: StudyFlags): SpecOverrides => ({
  testbed: testbedText(flags),
  containers: flags.containers,
  nodes: list(flags.nodes),
  namespace: flags.namespace,
  createNamespace: flags.createNamespace,
  imageNode: flags.imageNode,
  imageNginx: flags.imageNginx,
  imagePullSecret: flags.imagePullSecret,
  ip: number(flags.ip),
  networks: list(flags.networks),
  workloads: list(flags.workloads),
  rates: list(flags.rates),
  maximum: flags.maximum,
  objective: flags.objective,
  restarts: number(flags.restarts),
  rounds: number(flags.rounds),
  time: flags.time,
  precision: flags.precision,
  slice: flags.slice,
  connections: number(flags.connections),
  generator: flags.generator,
  seed: number(flags.seed),
});

/** `--testbed vm --kernel PATH` means `--testbed vm:PATH`. */
function testbedText({ testbed, kernel }: StudyFlags): string | undefined {
  if (kernel === undefined) return testbed;
  const text = `${testbed ?? 'netns'}:${kernel}`;
  if (testbed !== undefined && parseTestbed(text) !== null) return text;
  throw bad(
    `--kernel ${kernel} requires guests, but --testbed is ${testbed ?? 'netns'}.`,
    'Add --testbed vm, or omit --kernel.',
  );
}

const bad = (message: string, hint: string, cause?: unknown): BarewireError =>
  userError(message, hint, { cause });
