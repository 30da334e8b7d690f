import { Command } from 'commander';
import type { KeptSteps } from '../machine/index.js';
import { describeChangedSetting, describeTuningFinding } from '../report/index.js';
import {
  topologySchema,
  userError,
  type Topology,
  type TuningPlan,
  type VerifiedSetting,
} from '../schema/index.js';
import { THIS_MACHINE } from '../study/index.js';
import { KNOB_FILES, planTuning, resolveProfile, tuningSteps, type Profile } from '../tuning/index.js';
import type { Context } from './format.js';
import { onPlaces, withHosts, withPlaces, type HostFlags, type Place } from './tune-places.js';
import { readRoles, withRoles, type RoleFlags } from './tuning-flags.js';

export const applyCommand = (context: Context): Command =>
  withHosts(withRoles(new Command('apply')))
    .summary('set what a profile says, until `tune restore`')
    .description(
      'Sets what `tune plan` shows, reads every value back, and keeps the values from before for `tune restore`. A value that the ' +
        'machine refuses ends it, and restores what was set. A reboot restores everything too. Needs root.',
    )
    .argument('<profile|file>', 'what to set')
    .action((name: string, flags: RoleFlags & HostFlags) => apply(context, name, flags));

export const verifyCommand = (context: Context): Command =>
  withHosts(new Command('verify'))
    .summary('compare the applied settings with the machine')
    .description('Exit status 1 when a setting does not hold, or no profile is applied.')
    .action((flags: HostFlags) => verify(context, flags));

export const restoreCommand = (context: Context): Command =>
  withHosts(new Command('restore'))
    .summary('restore the values from before `tune apply`')
    .description(
      'A setting that was changed meanwhile stays as it is; its values before, written and found are printed.',
    )
    .action((flags: HostFlags) => restore(context, flags));

export const statusCommand = (context: Context): Command =>
  withHosts(new Command('status'))
    .summary('which profile is applied since when')
    .action((flags: HostFlags) => status(context, flags));

async function apply(
  { terminal, signal }: Context,
  name: string,
  flags: RoleFlags & HostFlags,
): Promise<void> {
  const profile = resolveProfile(name, THIS_MACHINE.readText);
  const applied = await withPlaces(flags, async (places) => {
    const planned: Planned[] = [];
    for (const place of places) planned.push(await planOn(place, profile, flags));
    // One machine that fails leaves none of them tuned: closing them undoes what is not kept.
    const set: (Planned & { readonly settings: readonly VerifiedSetting[] })[] = [];
    for (const one of planned) {
      await one.machine.apply(tuningSteps(one.plan.settings));
      set.push({ ...one, settings: await one.machine.verify() });
    }
    signal.throwIfAborted();
    for (const { machine, settings } of set) if (settings.length > 0) await machine.keep(profile.name);
    return set.map(({ name: host, settings, plan: { settings: wanted, notApplicable, conflicts } }) => ({
      host,
      settings,
      processes: wanted.filter(({ kind }) => kind === 'affinity').map(({ knob }) => knob),
      notApplicable,
      conflicts,
    }));
  });
  if (flags.json === true) {
    terminal.print(JSON.stringify({ hosts: applied }, null, 2));
    return;
  }
  for (const { host, settings, notApplicable, conflicts, processes } of applied) {
    terminal.print(`${host}: ${profile.name}, ${settings.length} settings`);
    for (const setting of settings) terminal.print(printSetting(setting));
    for (const { knob, finding } of notApplicable)
      terminal.print(`  not applicable  ${knob}: ${describeTuningFinding(finding)}`);
    for (const finding of conflicts) terminal.print(`  conflict        ${describeTuningFinding(finding)}`);
    for (const knob of processes)
      terminal.print(
        `  not moved       ${knob}: running processes stay where they are; a study starts its own there`,
      );
  }
  const hosts = (flags.host ?? []).map((host) => ` --host ${host}`).join('');
  terminal.print(`Restore with: barewire tune restore${hosts}`);
}

interface Planned extends Pick<Place, 'name' | 'machine'> {
  readonly plan: TuningPlan;
}

/** Plans what a profile sets on a machine that has none, or whose last one was ended by a reboot. */
async function planOn(place: Place, profile: Profile, flags: RoleFlags): Promise<Planned> {
  const { name, machine } = place;
  const before = await machine.listKept();
  const [current] = before.filter(({ rebooted }) => !rebooted);
  if (current !== undefined)
    throw userError(
      `${name}: the profile ${current.label} is applied since ${current.since}.`,
      'Run `barewire tune restore` first.',
    );
  if (before.length > 0) await machine.undoKept();
  const topology = await readTopologyOf(place);
  return { name, machine, plan: planTuning({ topology, profile, roles: readRoles(flags, topology) }) };
}

/** A namespace's own /sys is seen by a process in it: the bundle reads it on that machine. */
async function readTopologyOf({ machine, bundle, name }: Place): Promise<Topology> {
  const { code, stdout, stderr } = await machine.run([...bundle, 'topology', ...KNOB_FILES]);
  if (code !== 0)
    throw userError(
      `${name}: its topology could not be read: ${stderr}`,
      'Check that /proc and /sys are mounted.',
    );
  return topologySchema.parse(JSON.parse(stdout));
}

async function verify({ terminal, fail }: Context, flags: HostFlags): Promise<void> {
  const hosts = await listOnPlaces(flags);
  if (hosts.some(({ kept }) => kept.length === 0 || kept.some(isLost))) fail();
  if (flags.json === true) {
    terminal.print(JSON.stringify({ hosts }, null, 2));
    return;
  }
  for (const { host, kept } of hosts) {
    if (kept.length === 0) terminal.print(`${host}: no profile is applied.`);
    for (const one of kept) {
      terminal.print(describeKept(host, one));
      for (const setting of one.settings) terminal.print(printSetting(setting));
    }
  }
}

async function status({ terminal }: Context, flags: HostFlags): Promise<void> {
  const hosts = await listOnPlaces(flags);
  if (flags.json === true) {
    terminal.print(JSON.stringify({ hosts }, null, 2));
    return;
  }
  for (const { host, kept } of hosts) {
    if (kept.length === 0) terminal.print(`${host}: no profile is applied.`);
    for (const one of kept) terminal.print(describeKept(host, one));
  }
}

async function restore({ terminal }: Context, flags: HostFlags): Promise<void> {
  const hosts = await onPlaces(flags, async ({ name, machine }) => ({
    host: name,
    restored: await machine.undoKept(),
  }));
  if (flags.json === true) {
    terminal.print(JSON.stringify({ hosts }, null, 2));
    return;
  }
  for (const { host, restored } of hosts) {
    if (restored.length === 0) terminal.print(`${host}: no profile is applied.`);
    for (const { steps, changed, since } of restored) {
      terminal.print(`${host}: restored ${steps - changed.length} of ${steps} settings of ${since}.`);
      for (const setting of changed) terminal.print(`  ${describeChangedSetting(setting)}`);
    }
  }
}

const listOnPlaces = (flags: HostFlags) =>
  onPlaces(flags, async ({ name, machine }) => ({ host: name, kept: await machine.listKept() }));

const isLost = ({ rebooted, settings }: KeptSteps): boolean =>
  rebooted || settings.some(({ holds }) => !holds);

function describeKept(host: string, { label, since, rebooted, settings }: KeptSteps): string {
  const lost = settings.filter(({ holds }) => !holds).length;
  const state = rebooted
    ? 'nothing is set any more: the machine was rebooted'
    : lost === 0
      ? `all ${settings.length} settings hold`
      : `${lost} of ${settings.length} settings do not hold`;
  return `${host}: ${label} since ${since}: ${state}`;
}

function printSetting({ what, wanted, before, found, holds, changers }: VerifiedSetting): string {
  if (holds)
    return `  ${before === wanted ? 'was so' : 'set'}${' '.repeat(before === wanted ? 10 : 13)}${what} = ${wanted}${before === wanted ? '' : ` (before: ${before ?? 'unknown'})`}`;
  const by = changers.length === 0 ? '' : `; ${changers.join(' and ')} runs and changes such settings`;
  return `  CHANGED         ${what} is ${found ?? 'gone'}: wanted ${wanted}, before ${before ?? 'unknown'}${by}`;
}
