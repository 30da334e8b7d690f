import type { NetworkHost } from '../../network/index.js';
import { localMac, needsVpc, versionOf } from '../../network/index.js';
import type { Step } from '../../schema/index.js';
import { hostNetns } from './names.js';
import { portOf, vpcSteps } from './vpc.js';
import type { HostRole, PlanOptions, Wire } from '../types.js';

const DEV = 'eth0';
const ROLES: readonly HostRole[] = ['client', 'server'];

type Hosts = Readonly<Record<HostRole, NetworkHost>>;

/**
 * The hosts' addresses: the lower half of the benchmarking ranges of RFC 2544 and RFC 5180. Containers'
 * subnets use the upper half.
 */
const SEGMENTS = {
  4: { first: '198.18.0.', prefix: 24 },
  6: { first: '2001:2:0:18::', prefix: 64 },
} as const;

/** The two hosts and their ends of the wire. */
export function hostsOf(run: string, { wire, ip = 4, networks }: PlanOptions, ipv6 = true): Hosts {
  const { first, prefix } = SEGMENTS[ip];
  const host = (role: HostRole, index: number): NetworkHost => ({
    name: role,
    index,
    dev: DEV,
    address: `${first}${index}`,
    prefix,
    mac: localMac('wire', run, role),
    mtu: wire.mtu,
    ipv6,
    ...(ip === 4 && needsVpc(networks) && { vpc: portOf(index) }),
  });
  return { client: host('client', 1), server: host('server', 2) };
}

/** The IPv6 settings of every link that a host will have. */
export function ipv6Settings({ address }: NetworkHost): Readonly<Record<string, string>> {
  // The packets of duplicate address detection and router solicitation would count among the measured ones.
  return versionOf(address) === 4
    ? { disable_ipv6: '1' }
    : { addr_gen_mode: '1', accept_ra: '0', accept_dad: '0' };
}

/** The addresses of a host's end of the wire. */
export const wireAddresses = ({ address, prefix, index }: NetworkHost): string[] =>
  versionOf(address) === 4
    ? [`${address}/${prefix}`]
    : // A router resolves its neighbours from a link-local address.
      [`${address}/${prefix}`, `fe80::${index}/64`];

/**
 * Two namespaces and a veth pair created directly between them, so that the machine's own namespace never has
 * an end of it.
 */
export function wireSteps(run: string, wire: Wire, hosts: Hosts): Step[] {
  return [
    ...ROLES.map((role) => namespace(run, role)),
    ...ROLES.filter((role) => hosts[role].ipv6 !== false).flatMap((role) => quietIpv6(run, hosts[role])),
    pairOfLinks(run, wire, hosts),
    ...ROLES.flatMap((role) => switchOn(run, hosts[role])),
    ...vpcSteps(run, Object.values(hosts)),
    ...(wire.rateMbps === null
      ? []
      : Object.values(hosts).flatMap(({ name, vpc }) =>
          [DEV, ...(vpc === undefined ? [] : [vpc.dev])].map((dev) =>
            shape(run, name, dev, wire.rateMbps ?? 0),
          ),
        )),
  ];
}

function namespace(run: string, role: HostRole): Step {
  const name = hostNetns(run, role);
  return {
    ...ip(null, `Create the ${role}: a network namespace.`, ['netns', 'add', name]),
    undo: { kind: 'netns', name },
  };
}

const quietIpv6 = (run: string, host: NetworkHost): Step[] =>
  Object.entries(ipv6Settings(host)).map(([name, value]) => ({
    why: `Configure IPv6 on every link that the ${host.name} will have.`,
    do: {
      kind: 'sysctl',
      netns: hostNetns(run, host.name),
      key: `net.ipv6.conf.default.${name}`,
      value,
    },
    undo: null,
  }));

function pairOfLinks(run: string, wire: Wire, { client, server }: Hosts): Step {
  const end = ({ mac }: NetworkHost): string[] => ['address', mac, 'mtu', String(wire.mtu)];
  const far = ['peer', 'name', DEV, ...end(server), 'netns', hostNetns(run, 'server')];
  const args = ['link', 'add', DEV, ...end(client), 'type', 'veth', ...far];
  return ip(hostNetns(run, 'client'), 'Create the wire: a veth pair with one end in each host.', args);
}

function switchOn(run: string, host: NetworkHost): Step[] {
  const netns = hostNetns(run, host.name);
  const give = (address: string): string[] => ['addr', 'add', address, 'dev', DEV];
  return [
    ip(netns, `Enable the ${host.name}'s loopback interface.`, ['link', 'set', 'lo', 'up']),
    ...wireAddresses(host).map((address) => ip(netns, `Add the ${host.name}'s address.`, give(address))),
    ip(netns, `Enable the ${host.name}'s end of the wire.`, ['link', 'set', DEV, 'up']),
  ];
}

/**
 * A token bucket on each end. Its burst holds one of the largest packets of TCP (64 KiB), or 1 ms of the
 * rate.
 */
function shape(run: string, role: string, dev: string, rateMbps: number): Step {
  const burstBytes = Math.max(68_000, Math.ceil((rateMbps * 1_000_000) / 8 / 1_000));
  const rate = ['rate', `${rateMbps}mbit`, 'burst', String(burstBytes), 'latency', '20ms'];
  return {
    why: `Limit what the ${role} sends on ${dev} to ${rateMbps} Mbit/s.`,
    do: {
      kind: 'command',
      tool: 'tc',
      netns: hostNetns(run, role),
      args: ['qdisc', 'add', 'dev', dev, 'root', 'tbf', ...rate],
    },
    undo: null,
  };
}

const ip = (netns: string | null, why: string, args: readonly string[]): Step => ({
  why,
  do: { kind: 'command', tool: 'ip', netns, args },
  undo: null,
});
