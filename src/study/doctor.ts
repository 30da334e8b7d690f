import { readFile } from 'node:fs/promises';
import { readEnvironment } from '../linux/index.js';
import { openJournals } from '../machine/index.js';
import { toolsOf, type Environment, type Finding, type FindingCode } from '../schema/index.js';
import { missingTools } from './requirements.js';

/** What a study requires of a machine, and sources of noise. */
export interface MachineFacts {
  readonly root: boolean;
  readonly missing: ReturnType<typeof missingTools>;
  readonly environment: Environment;
  /** Load average of the last minute divided by the CPUs: 1 is one busy program per CPU. */
  readonly loadPerCpu: number;
  readonly openJournals: number;
  /** Bridged packets pass the machine's firewall, as Docker configures it. */
  readonly bridgeNetfilter: boolean;
}

/** The load per CPU above which other programs disturb a study. */
const MAX_LOAD_PER_CPU = 0.3;

/** Findings that keep a study from running; the others are sources of noise. */
const BLOCKING: readonly FindingCode[] = ['not-root', 'tools-missing', 'journals-open'];

export const isBlocking = ({ code }: Finding): boolean => BLOCKING.includes(code);

/** Reads the machine; changes nothing and needs no rights. */
export async function readMachineFacts(): Promise<MachineFacts> {
  const environment = readEnvironment();
  const read = (path: string): Promise<string> => readFile(path, 'utf8').catch(() => '');
  return {
    root: process.getuid?.() === 0,
    missing: missingTools(toolsOf('study')),
    environment,
    loadPerCpu: Number((await read('/proc/loadavg')).split(' ')[0]) / Number(environment['cpus'] ?? 1),
    openJournals: (await openJournals()).length,
    bridgeNetfilter: (await read('/proc/sys/net/bridge/bridge-nf-call-iptables')).trim() === '1',
  };
}

/** Pure. Blocking findings first. */
export function diagnoseMachine(facts: MachineFacts): readonly Finding[] {
  const { environment, missing } = facts;
  const findings: Finding[] = [];
  if (!facts.root) findings.push({ code: 'not-root' });
  if (missing.tools.length > 0)
    findings.push({ code: 'tools-missing', tools: missing.tools, packages: missing.packages });
  if (facts.openJournals > 0) findings.push({ code: 'journals-open', journals: facts.openJournals });
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
