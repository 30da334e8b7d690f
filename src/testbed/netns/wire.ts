import type { NetHost } from '../../network/index.js';
import { localMac } from '../../network/index.js';
import type { Step } from '../../schema/index.js';
import type { HostRole, Wire } from '../types.js';

const DEV = 'eth0';
const ROLES: readonly HostRole[] = ['client', 'server'];

export const hostNetns = (run: string, role: string): string => `bw-${run}-${role}`;

/** The two hosts on their wire, 198.18.0.0/24 of RFC 2544's benchmarking range. */
export function hostsOf(run: string, wire: Wire, ipv6 = true): Readonly<Record<HostRole, NetHost>> {
  const host = (role: HostRole, index: number): NetHost => ({
    name: role,
    index,
    dev: DEV,
    address: `198.18.0.${index}`,
    prefix: 24,
    mac: localMac('wire', run, role),
    mtu: wire.mtu,
    ipv6,
  });
  return { client: host('client', 1), server: host('server', 2) };
}

/** The hosts as a network will see them, for printing steps that nobody takes. */
export function plannedHosts(wire: Wire, run = 'dryrun'): NetHost[] {
  const { client, server } = hostsOf(run, wire);
  return [client, server];
}

/** Two namespaces and a veth pair made straight between them, so that the machine's own namespace never sees an end of it. */
export function wireSteps(run: string, wire: Wire, hosts: Readonly<Record<HostRole, NetHost>>): Step[] {
  return [
    ...ROLES.map((role) => namespace(run, role)),
    ...ROLES.filter((role) => hosts[role].ipv6 !== false).map((role) => silenceIpv6(run, role)),
    pairOfLinks(run, wire, hosts),
    ...ROLES.flatMap((role) => switchOn(run, hosts[role])),
    ...(wire.rateMbps === null ? [] : ROLES.map((role) => shape(run, role, wire.rateMbps ?? 0))),
  ];
}

function namespace(run: string, role: HostRole): Step {
  const name = hostNetns(run, role);
  return {
    ...ip(null, `Make the ${role}: a network namespace.`, ['netns', 'add', name]),
    undo: { kind: 'netns', name },
  };
}

/** Duplicate address detection and router solicitations would count among the measured packets. */
const silenceIpv6 = (run: string, role: HostRole): Step => ({
  why: `Keep IPv6 silent on every link that the ${role} will have.`,
  do: {
    kind: 'sysctl',
    netns: hostNetns(run, role),
    key: 'net.ipv6.conf.default.disable_ipv6',
    value: '1',
  },
  undo: null,
});

function pairOfLinks(run: string, wire: Wire, { client, server }: Readonly<Record<HostRole, NetHost>>): Step {
  const end = ({ mac }: NetHost): string[] => ['address', mac, 'mtu', String(wire.mtu)];
  const far = ['peer', 'name', DEV, ...end(server), 'netns', hostNetns(run, 'server')];
  const args = ['link', 'add', DEV, ...end(client), 'type', 'veth', ...far];
  return ip(hostNetns(run, 'client'), 'Make the wire: a pair of links, one end in each host.', args);
}

function switchOn(run: string, host: NetHost): Step[] {
  const netns = hostNetns(run, host.name);
  const address = ['addr', 'add', `${host.address}/${host.prefix}`, 'dev', DEV];
  return [
    ip(netns, `Switch the ${host.name}'s loopback interface on.`, ['link', 'set', 'lo', 'up']),
    ip(netns, `Give the ${host.name} its address.`, address),
    ip(netns, `Switch the ${host.name}'s end of the wire on.`, ['link', 'set', DEV, 'up']),
  ];
}

/** A token bucket on each end. Its burst holds one of the largest packets that TCP hands down (64 KiB), or 1 ms of the rate. */
function shape(run: string, role: HostRole, rateMbps: number): Step {
  const burstBytes = Math.max(68_000, Math.ceil((rateMbps * 1_000_000) / 8 / 1_000));
  const rate = ['rate', `${rateMbps}mbit`, 'burst', String(burstBytes), 'latency', '20ms'];
  return {
    why: `Let the ${role} send no faster than ${rateMbps} Mbit/s.`,
    do: {
      kind: 'command',
      tool: 'tc',
      netns: hostNetns(run, role),
      args: ['qdisc', 'add', 'dev', DEV, 'root', 'tbf', ...rate],
    },
    undo: null,
  };
}

const ip = (netns: string | null, why: string, args: readonly string[]): Step => ({
  why,
  do: { kind: 'command', tool: 'ip', netns, args },
  undo: null,
});
