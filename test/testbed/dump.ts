import { execFileSync } from 'node:child_process';
import type { HostRole, Testbed } from '../../src/testbed/index.js';

const ROLES: readonly HostRole[] = ['client', 'server'];
/** The namespace of a host. */
export const hostNetns = ({ run }: Testbed, role: HostRole): string => `bw-${run}-${role}`;

/** What a hand on that host would type, in a line. */
export function onHost(testbed: Testbed, role: HostRole, line: string): string {
  const argv = [`--net=/run/netns/${hostNetns(testbed, role)}`, ...line.split(' ')];
  return execFileSync('nsenter', argv, { encoding: 'utf8' });
}

const ALL = [
  'ip -d link',
  'ip -d addr',
  'ip route show table all',
  'ip rule',
  'ip neigh',
  'bridge fdb',
  'tc qdisc',
  'nft list ruleset',
  'sysctl -a -r ^net.ipv[46].(conf|ip_forward)',
];
/** Neighbours that the hosts found by themselves age, learn that they are routers, and asked for us by addresses of the link alone. */
const ageless = (text: string): string =>
  text.replace(/ (router|REACHABLE|STALE|DELAY|PROBE)/g, '').replace(/^fe80::\S+ dev eth0 lladdr .*\n/gm, '');

/** All that a network could leave behind in the hosts' namespaces. */
export const dumpHosts = (testbed: Testbed): string =>
  ROLES.map((role) => ALL.map((line) => ageless(onHost(testbed, role, line))).join('--\n')).join('====\n');

/** Until the hosts know each other's MAC, and the kernel has written down that the wire has a carrier (within a second). */
export async function settle(testbed: Testbed): Promise<void> {
  onHost(testbed, 'client', `ping -q -c 1 ${testbed.server.net.address}`);
  for (const role of ROLES) {
    const { vpc } = testbed[role].net;
    if (vpc !== undefined) onHost(testbed, role, `ping -q -c 1 ${vpc.router}`);
  }
  const settled = (role: HostRole): boolean =>
    !/state (DOWN|LOWERLAYERDOWN)/.test(onHost(testbed, role, 'ip link')) &&
    onHost(testbed, role, 'ip link show eth0').includes('state UP') &&
    !onHost(testbed, role, 'ip neigh').includes('INCOMPLETE');
  while (!ROLES.every(settled)) await new Promise((resolve) => setTimeout(resolve, 20));
}
