import type { Machine, ProbeResult } from '../../machine/index.js';
import type { DOCKER_EFFECTS, Finding } from '../../schema/index.js';
import { both, type Host, type Pair } from '../types.js';

type Effect = (typeof DOCKER_EFFECTS)[number];

const TABLES = '/proc/thread-self/net/ip_tables_names';
const BRIDGED = '/proc/sys/net/bridge/bridge-nf-call-iptables';

async function readEffects(machine: Machine): Promise<readonly Effect[]> {
  const { files } = await machine.readFiles([TABLES, BRIDGED]);
  const rules = await readForwardRules(machine, files[TABLES] ?? '');
  const drops = rules.includes('-P FORWARD DROP');
  const accepts = rules.some((rule) =>
    /^-A FORWARD( -[sd] (0\.0\.0\.0\/0|198\.19\.0\.0\/16))* -j ACCEPT$/.test(rule),
  );
  // The policy matters unless a rule accepts everything, or the study's addresses.
  return [
    ...(drops && !accepts ? ['forward-dropped' as const] : []),
    ...(files[BRIDGED]?.trim() === '1' ? ['bridged-filtered' as const] : []),
  ];
}

/** iptables-legacy creates the table that it lists, through which all packets then pass: a host without it is not asked. */
async function readForwardRules(machine: Machine, tables: string): Promise<string[]> {
  const [tool] = await machine.probe([{ kind: 'tool', name: 'iptables' }]);
  if (tool?.answer !== 'yes') return [];
  const { stdout: version } = await machine.run(['iptables', '--version']);
  if (!version.includes('nf_tables') && !tables.split('\n').includes('filter')) return [];
  const { stdout } = await machine.run(['iptables', '--wait', '-S', 'FORWARD']);
  return stdout.split('\n').map((line) => line.trim());
}

/** Whether both hosts forward packets to and from containers. */
export async function probeForwarding(hosts: Pair<Host>): Promise<ProbeResult> {
  const effects = await both((role) => readEffects(hosts[role].machine));
  const dropping = (['client', 'server'] as const).filter((role) =>
    effects[role].includes('forward-dropped'),
  );
  return dropping.length === 0
    ? { answer: 'yes' }
    : { answer: 'no', reason: `the ${dropping.join(' and the ')}` };
}

/** What Docker has done to the hosts, for the results; none on hosts without it. */
export async function findDockerEffects(hosts: Pair<Host>): Promise<Finding[]> {
  const effects = await both((role) => readEffects(hosts[role].machine));
  const found = (['client', 'server'] as const).filter((role) => effects[role].length > 0);
  if (found.length === 0) return [];
  const names = [...new Set(found.flatMap((role) => effects[role]))];
  return [{ code: 'docker-effects', hosts: found.map((role) => `the ${role}`), effects: names }];
}
