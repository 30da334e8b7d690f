import { readFile } from 'node:fs/promises';
import { readEnvironment } from '../linux/index.js';
import { openJournals } from '../machine/index.js';
import type { Environment } from '../schema/index.js';
import { missingTools, STUDY_TOOLS } from './requirements.js';

/** What a study needs of a machine, and what would spoil its figures. */
export interface MachineFacts {
  readonly root: boolean;
  readonly missing: ReturnType<typeof missingTools>;
  readonly environment: Environment;
  /** Of the last minute, for each CPU: 1 is one program that always runs. */
  readonly loadOfEachCpu: number;
  readonly openJournals: number;
  /** Bridged packets go through the machine's firewall, as Docker has it. */
  readonly bridgesFiltered: boolean;
}

/** `stop`: no study can run. `doubt`: one can, but its figures suffer. */
export interface Finding {
  readonly kind: 'stop' | 'doubt';
  readonly what: string;
  readonly remedy: string;
}

/** Looks at the machine; changes nothing and needs no rights. */
export async function examine(): Promise<MachineFacts> {
  const environment = readEnvironment();
  const cpus = Number(environment['cpus'] ?? 1);
  return {
    root: process.getuid?.() === 0,
    missing: missingTools(STUDY_TOOLS),
    environment,
    loadOfEachCpu: Number((await read('/proc/loadavg')).split(' ')[0]) / cpus,
    openJournals: (await openJournals()).length,
    bridgesFiltered: (await read('/proc/sys/net/bridge/bridge-nf-call-iptables')).trim() === '1',
  };
}

const read = (path: string): Promise<string> => readFile(path, 'utf8').catch(() => '');

/** What is wrong with a machine and what to do about each. Pure. */
export function diagnose(facts: MachineFacts): readonly Finding[] {
  const { environment: env, missing } = facts;
  const stop = (holds: boolean, what: string, remedy: string): Finding[] =>
    holds ? [{ kind: 'stop', what, remedy }] : [];
  const doubt = (holds: boolean, what: string, remedy: string): Finding[] =>
    holds ? [{ kind: 'doubt', what, remedy }] : [];
  return [
    ...stop(!facts.root, 'Not root: no namespace or link can be made.', 'Run with sudo.'),
    ...stop(missing.tools.length > 0, `Not found: ${missing.tools.join(', ')}.`, missing.remedy),
    ...stop(
      facts.openJournals > 0,
      `${facts.openJournals} journals are open: an earlier run did not end well.`,
      'Run: barewire undo',
    ),
    ...doubt(
      Number(env['cpus']) < 2,
      'One CPU: generator and server slow each other down.',
      'Use a machine with two CPUs or more.',
    ),
    ...doubt(
      typeof env['governor'] === 'string' && env['governor'] !== 'performance',
      `The CPU frequency governor is ${String(env['governor'])}: latencies at low rates include waking up.`,
      'cpupower frequency-set -g performance',
    ),
    ...doubt(
      env['turbo'] === true,
      'Turbo is on: the clock depends on heat and on the neighbours.',
      'Turn it off in intel_pstate/no_turbo or cpufreq/boost.',
    ),
    ...doubt(
      env['smt'] === true,
      'SMT is on: two threads share a core.',
      'echo off > /sys/devices/system/cpu/smt/control',
    ),
    ...doubt(
      env['virtualization'] !== null,
      'A virtual machine: other guests can take its time (steal).',
      'Trust ratios in one study more than milliseconds; use more restarts.',
    ),
    ...doubt(
      facts.loadOfEachCpu > 0.3,
      `Other programs are running (load ${facts.loadOfEachCpu.toFixed(2)} for each CPU).`,
      'End them, or wait.',
    ),
    ...doubt(
      facts.bridgesFiltered,
      'bridge-nf-call-iptables is 1: bridged packets pass the firewall, where Docker drops what it does not know.',
      'sysctl -w net.bridge.bridge-nf-call-iptables=0, where nothing else relies on it.',
    ),
  ];
}
