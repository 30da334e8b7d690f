import { readFile } from 'node:fs/promises';
import { isSlowClock, openFileLimits, readCpuQuota, readEnvironment, type CpuQuota } from '../linux/index.js';
import { openJournals } from '../machine/index.js';
import { toolsOf, type Environment, type Finding, type FindingCode } from '../schema/index.js';
import { findUnusableCache } from './obstacles.js';
import { findBlockers } from './requirements.js';

/** What a study requires of a machine, and sources of noise. */
export interface MachineFacts {
  /** What keeps a study from running. */
  readonly blockers: readonly Finding[];
  readonly environment: Environment;
  /** Load average of the last minute divided by the CPUs: 1 is one busy program per CPU. */
  readonly loadPerCpu: number;
  readonly openJournals: number;
  /** Why guests and containers of Docker have no place for their files. */
  readonly cache: readonly Finding[];
  /** Null without one. */
  readonly cpuQuota: CpuQuota | null;
  /** The hard limit of open files. */
  readonly openFiles: number;
  /** Bridged packets pass the machine's firewall, as Docker configures it. */
  readonly bridgeNetfilter: boolean;
}

/** The load per CPU above which other programs disturb a study. */
const MAX_LOAD_PER_CPU = 0.3;

/** Findings that keep a study from running; the others are sources of noise. */
const BLOCKING: readonly FindingCode[] = [
  'not-root',
  'tools-missing',
  'journals-open',
  'kernel-old',
  'capabilities-missing',
  'calls-refused',
  'settings-read-only',
  'folder-unusable',
  'disk-full',
];

/** Connections of a large study, and as many descriptors of the server. */
const WANTED_OPEN_FILES = 4_096;

export const isBlocking = ({ code }: Finding): boolean => BLOCKING.includes(code);

/** Reads the machine; changes nothing and needs no rights. */
export async function readMachineFacts(): Promise<MachineFacts> {
  const environment = readEnvironment();
  const read = (path: string): Promise<string> => readFile(path, 'utf8').catch(() => '');
  return {
    blockers: await findBlockers(toolsOf('study'), 'results'),
    environment,
    loadPerCpu: Number((await read('/proc/loadavg')).split(' ')[0]) / Number(environment['cpus'] ?? 1),
    openJournals: (await openJournals()).length,
    cache: await findUnusableCache(),
    cpuQuota: readCpuQuota(),
    openFiles: openFileLimits()[1],
    bridgeNetfilter: (await read('/proc/sys/net/bridge/bridge-nf-call-iptables')).trim() === '1',
  };
}

/** Pure. Blocking findings first. */
export function diagnoseMachine(facts: MachineFacts): readonly Finding[] {
  const { environment, blockers, cpuQuota, openFiles } = facts;
  const findings: Finding[] = [...blockers];
  if (facts.openJournals > 0) findings.push({ code: 'journals-open', journals: facts.openJournals });
  findings.push(...facts.cache);
  if (cpuQuota !== null) findings.push({ code: 'cpu-quota', ...cpuQuota });
  const { clockSource } = environment;
  if (typeof clockSource === 'string' && isSlowClock(clockSource))
    findings.push({ code: 'clock-slow', clock: clockSource });
  if (openFiles < WANTED_OPEN_FILES)
    findings.push({ code: 'few-open-files', limit: openFiles, wanted: WANTED_OPEN_FILES });
  if (Number(environment['cpus']) < 2) findings.push({ code: 'single-cpu' });
  const { governor } = environment;
  if (typeof governor === 'string' && governor !== 'performance')
    findings.push({ code: 'governor', governor });
  if (environment['turbo'] === true) findings.push({ code: 'turbo' });
  if (environment['smt'] === true) findings.push({ code: 'smt' });
  if (environment['virtualization'] !== null) findings.push({ code: 'virtual-machine' });
  if (facts.loadPerCpu > MAX_LOAD_PER_CPU)
    findings.push({ code: 'machine-busy', loadPerCpu: facts.loadPerCpu });
  if (facts.bridgeNetfilter) findings.push({ code: 'bridge-netfilter' });
  return findings;
}
