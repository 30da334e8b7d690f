import { Command, Option } from 'commander';
import wrapAnsi from 'wrap-ansi';
import { readTopology } from '../linux/index.js';
import { describeTuningFinding } from '../report/index.js';
import { printCpuList, userError, type Setting, type TuningPlan } from '../schema/index.js';
import {
  EXPORTS,
  exportSettings,
  findKnob,
  KNOB_FILES,
  KNOBS,
  planTuning,
  type ExportFormat,
  PROFILES,
  resolveProfile,
} from '../tuning/index.js';
import { THIS_MACHINE } from '../study/index.js';
import type { Context } from './format.js';
import { applyCommand, restoreCommand, statusCommand, verifyCommand } from './tune-apply.js';
import { readRoles, withRoles, type RoleFlags } from './tuning-flags.js';

interface PlanFlags extends RoleFlags {
  readonly as?: ExportFormat;
  readonly sysroot: string;
  readonly json?: true;
}

export const tuneCommand = (context: Context): Command =>
  new Command('tune')
    .enablePositionalOptions()
    .summary('plan, apply, verify and restore settings for low latency')
    .description(
      'Lists profiles. A profile is a list of knobs with values; `tune plan` shows what it sets on a machine by its topology, `tune apply` ' +
        'sets it, and `tune restore` restores what was before. `study --ablate` measures what each knob buys.',
    )
    .option('--json', 'print lists of profiles and knobs')
    .action(({ json }: { json?: true }) =>
      context.terminal.print(json === true ? listAsJson() : listProfiles()),
    )
    .addCommand(planCommand(context))
    .addCommand(applyCommand(context))
    .addCommand(verifyCommand(context))
    .addCommand(restoreCommand(context))
    .addCommand(statusCommand(context));

const planCommand = (context: Context): Command =>
  withRoles(new Command('plan'))
    .summary('what a profile sets on a machine, with reasons; changes nothing')
    .description(
      'Prints what a profile sets on this machine or a recorded one, why, and which of its knobs do nothing there. Changes nothing and ' +
        'needs no root. PROFILE is a name of `barewire tune`, or a YAML or JSON file.',
    )
    .argument('<profile|file>', 'what to set')
    .option('--sysroot <dir>', 'plan for the machine whose /proc and /sys files are below this folder', '/')
    .addOption(
      new Option(
        '--as <format>',
        'print it for machines without Barewire: a script with its own undo, or a file',
      ).choices([...EXPORTS]),
    )
    .option('--json', 'print one object: settings, notApplicable, conflicts')
    .addHelpText(
      'after',
      `
Examples:
  barewire tune plan latency                                 what today's best practice sets here
  barewire tune plan article-2015 --connections 60000        the study of 2015 on your topology
  barewire tune plan my-profile.yaml --dev eth1 --json       a profile of your own
  barewire tune plan latency --as script > tune.sh           for machines without Barewire: sh tune.sh apply, sh tune.sh undo

A profile of your own extends another one and changes knobs (docs/tuning.md lists them):
  extends: latency
  knobs: { swappiness: off, rps: 1-3, congestion-control: [cubic, bbr] }
off omits a knob, on takes its usual value. An ablation compares the values of a list; a plan uses the first.`,
    )
    .action((name: string, flags: PlanFlags) => {
      const profile = resolveProfile(name, THIS_MACHINE.readText);
      const topology = readTopology(requireTree(flags.sysroot), KNOB_FILES);
      const plan = planTuning({
        topology,
        profile,
        roles: readRoles(flags, topology),
      });
      if (flags.as !== undefined) {
        context.terminal.print(exportSettings(plan.settings, flags.as, profile.name));
        return;
      }
      context.terminal.print(
        flags.json === true ? JSON.stringify(withTexts(plan), null, 2) : printTuningPlan(plan),
      );
    });

const bad = (message: string, hint: string, cause?: unknown) => userError(message, hint, { cause });

/** A folder without CPUs is not a recorded machine. */
export function requireTree(sysroot: string): string {
  const { cpus } = readTopology(sysroot, []);
  if (cpus.length > 0) return sysroot;
  throw bad(
    `${sysroot} has no sys/devices/system/cpu: it is not a recorded machine.`,
    'Name the folder that contains its proc and sys.',
  );
}

const withTexts = ({ settings, notApplicable, conflicts }: TuningPlan) => ({
  settings,
  notApplicable: notApplicable.map(({ knob, finding }) => ({
    knob,
    finding: { ...finding, text: describeTuningFinding(finding) },
  })),
  conflicts: conflicts.map((finding) => ({ ...finding, text: describeTuningFinding(finding) })),
});

const listAsJson = (): string =>
  JSON.stringify(
    {
      profiles: PROFILES,
      knobs: KNOBS.map(({ name, what, why, scope, values }) => ({
        name,
        what,
        why,
        scope,
        values: values.usage,
      })),
    },
    null,
    2,
  );

const listProfiles = (): string =>
  [
    ...PROFILES.map(({ name, what, knobs }) =>
      [
        `${name.padEnd(18)}${what}`,
        ...(Object.keys(knobs).length === 0 ? [] : wrap(Object.keys(knobs).join(', '), 18)),
      ].join('\n'),
    ),
    '',
    'Plan one with: barewire tune plan PROFILE. Write your own as YAML: barewire tune plan --help.',
  ].join('\n');

function printTuningPlan({ settings, notApplicable, conflicts }: TuningPlan): string {
  const knobs = [...new Set(settings.map(({ knob }) => knob))];
  const blocks = knobs.map((name) => {
    const { what, scope } = findKnob(name, name);
    const own = mergeCpus(settings.filter(({ knob }) => knob === name));
    const reasons = [...new Set(own.map(({ reason }) => reason))];
    return [
      ...wrap(`${name}: ${what} (${scope.where}, ${TAKES_EFFECT[scope.takesEffect]})`, 0),
      ...own.flatMap(({ path, value, reason }) => [
        `    ${path} = ${value}`,
        ...(reasons.length === 1 ? [] : wrap(reason, 8)),
      ]),
      ...(reasons.length === 1 ? wrap(reasons[0] ?? '', 8) : []),
    ].join('\n');
  });
  const idle = notApplicable.flatMap(({ knob, finding }) => {
    const [first = '', ...rest] = wrap(describeTuningFinding(finding), 26);
    return [`    ${knob.padEnd(22)}${first.trimStart()}`, ...rest];
  });
  return [
    ...(blocks.length === 0 ? ['This profile sets nothing here.'] : blocks),
    ...(idle.length === 0 ? [] : [`not applicable:\n${idle.join('\n')}`]),
    ...(conflicts.length === 0
      ? []
      : [
          `conflicts:\n${conflicts.flatMap((finding) => wrap(describeTuningFinding(finding), 4)).join('\n')}`,
        ]),
  ].join('\n\n');
}

/** One line for the same value of several CPUs: `/sys/devices/system/cpu/cpu[0-35]/cpufreq/scaling_governor`. */
function mergeCpus(settings: readonly Setting[]): readonly Pick<Setting, 'path' | 'value' | 'reason'>[] {
  const groups = new Map<string, { settings: Setting[]; cpus: number[] }>();
  for (const setting of settings) {
    const cpu = CPU_FOLDER.exec(setting.path)?.[1];
    const path = setting.path.replace(CPU_FOLDER, '/cpu[]/');
    const group = groups.get(`${path} ${setting.value} ${setting.reason}`) ?? { settings: [], cpus: [] };
    group.settings.push(setting);
    if (cpu !== undefined) group.cpus.push(Number(cpu));
    groups.set(`${path} ${setting.value} ${setting.reason}`, group);
  }
  return [...groups.values()].flatMap(({ settings: members, cpus }) =>
    members.slice(0, 1).map(({ path, value, reason }) => ({
      path: cpus.length < 2 ? path : path.replace(CPU_FOLDER, `/cpu[${printCpuList(cpus)}]/`),
      value,
      reason,
    })),
  );
}

const CPU_FOLDER = /\/cpu(\d+)\//;

const TAKES_EFFECT = {
  live: 'at once',
  'new-connections': 'for new connections',
  'process-start': 'when the process starts',
  boot: 'after a reboot',
} as const;

/** Lines of at most 100 columns. */
const wrap = (text: string, indent: number): string[] =>
  wrapAnsi(text, 100 - indent)
    .split('\n')
    .map((line) => ' '.repeat(indent) + line);
