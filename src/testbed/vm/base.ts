import { join } from 'node:path';
import { subnetOf, type NetworkHost } from '../../network/index.js';
import type { Step } from '../../schema/index.js';
import type { HostRole, Wire } from '../types.js';
import { ipv6Settings, wireAddresses } from '../netns/wire.js';
import { type Kernel, sshdConfig, startScript } from '../../guest/index.js';
import {
  dataTap,
  baseFolder,
  baseNetns,
  guestFolder,
  MANAGEMENT_DEV,
  managementLink,
  MANAGEMENT_MTU,
  ROLES,
  WIRE_BRIDGE,
  WIRE_ROUTER,
} from './plan.js';

export interface BasePlan {
  readonly run: string;
  readonly wire: Wire;
  readonly hosts: Readonly<Record<HostRole, NetworkHost>>;
  readonly kernel: Kernel;
  /** Queue pairs of each data NIC. */
  readonly queues: number;
  /** False where this machine's kernel has no IPv6. */
  readonly ipv6: boolean;
}

/**
 * The steps before the guests boot: a namespace with a bridge and their taps, and the files that they boot
 * from.
 */
export const baseSteps = (plan: BasePlan): Step[] => [
  ...wireSteps(plan),
  ...ROLES.flatMap((role) => managementSteps(plan.run, role)),
  ...fileSteps(plan),
];

function wireSteps({ run, wire, hosts, queues, ipv6 }: BasePlan): Step[] {
  const netns = baseNetns(run);
  const ip = ipIn(netns);
  return [
    {
      ...ipIn(null)('Create a network namespace for the wire between the guests.', `netns add ${netns}`),
      undo: { kind: 'netns', name: netns },
    },
    ...(ipv6 ? [silenceIpv6(netns)] : []),
    // Without snooping the bridge forwards by MAC only, like a plain switch.
    ip('Create the wire: a bridge.', `link add ${WIRE_BRIDGE} up type bridge stp_state 0 mcast_snooping 0`),
    ...ROLES.flatMap((role) => [
      ip(`Create the ${role}'s tap.`, tapArgs(dataTap(role), queues)),
      ip('Attach it to the wire.', `link set ${dataTap(role)} mtu ${wire.mtu} master ${WIRE_BRIDGE} up`),
    ]),
    ...routerSteps(netns, Object.values(hosts)),
    ...(wire.rateMbps === null ? [] : ROLES.map((role) => shape(netns, role, wire.rateMbps ?? 0))),
  ];
}

/**
 * Lets the wire's namespace route in place of a VPC, whose router is on the guests' segment. Nothing for guests without a place in one.
 */
function routerSteps(netns: string, hosts: readonly NetworkHost[]): Step[] {
  const placed = hosts.filter(({ vpc }) => vpc !== undefined);
  if (placed.length === 0) return [];
  const ip = ipIn(netns);
  const setting = (why: string, name: string, value: string): Step => ({
    why,
    do: { kind: 'sysctl', netns, key: `net.ipv4.${name}`, value },
    undo: null,
  });
  return [
    setting('Let it route in place of a VPC.', 'ip_forward', '1'),
    // A VPC names no shorter way, and both settings must be off.
    setting('Send no redirects from it.', 'conf.all.send_redirects', '0'),
    setting('Send no redirects from the wire.', `conf.${WIRE_BRIDGE}.send_redirects`, '0'),
    ip("Add the router's address.", `addr add ${WIRE_ROUTER}/${placed[0]?.prefix ?? 0} dev ${WIRE_BRIDGE}`),
    ...placed.map((host) =>
      ip(
        `Route to the ${host.name}'s containers, as the VPC's route table does.`,
        `route add ${subnetOf(host)} via ${host.address}`,
      ),
    ),
  ];
}

/** The packets of duplicate address detection and router solicitation would count among the measured ones. */
const silenceIpv6 = (netns: string): Step => ({
  why: 'Disable IPv6 on the wire.',
  do: { kind: 'sysctl', netns, key: 'net.ipv6.conf.default.disable_ipv6', value: '1' },
  undo: null,
});

/** QEMU opens one file per queue pair. A tap with several queues cannot be opened with one. */
const tapArgs = (tap: string, queues: number): string =>
  `tuntap add dev ${tap} mode tap${queues > 1 ? ' multi_queue' : ''}`;

function managementSteps(run: string, role: HostRole): Step[] {
  const ip = ipIn(baseNetns(run));
  const { tap, near, prefix } = managementLink(run, role);
  return [
    ip(`Create the management tap of the ${role}.`, tapArgs(tap, 1)),
    ip("Add this machine's address to it.", `addr add ${near}/${prefix} dev ${tap}`),
    ip('Enable it.', `link set ${tap} mtu ${MANAGEMENT_MTU} up`),
  ];
}

/**
 * A tap sends to its guest, so this limits what the other guest sends. The sizes are those of the netns
 * testbed.
 */
function shape(netns: string, role: HostRole, rateMbps: number): Step {
  const burstBytes = Math.max(68_000, Math.ceil((rateMbps * 1_000_000) / 8 / 1_000));
  const rate = ['rate', `${rateMbps}mbit`, 'burst', String(burstBytes), 'latency', '20ms'];
  return {
    why: `Limit what the ${role} receives to ${rateMbps} Mbit/s.`,
    do: {
      kind: 'command',
      tool: 'tc',
      netns,
      args: ['qdisc', 'add', 'dev', dataTap(role), 'root', 'tbf', ...rate],
    },
    undo: null,
  };
}

function fileSteps(plan: BasePlan): Step[] {
  const folder = baseFolder(plan.run);
  return [
    {
      why: "Create the directory of the guests' files.",
      do: { kind: 'directory', path: folder },
      undo: { kind: 'directory', path: folder },
    },
    ...ROLES.flatMap((role) => guestFiles(plan, role)),
  ];
}

function guestFiles({ run, hosts, kernel }: BasePlan, role: HostRole): Step[] {
  const folder = guestFolder(run, role);
  const { mac, mtu, dev } = hosts[role];
  const management = managementLink(run, role);
  const script = startScript({
    name: role,
    version: kernel.version,
    modules: join(kernel.root, 'lib/modules', kernel.version),
    ipv6: ipv6Settings(hosts[role]),
    data: { name: dev, mac, mtu, addresses: wireAddresses(hosts[role]) },
    management: {
      name: MANAGEMENT_DEV,
      mac: management.mac,
      mtu: MANAGEMENT_MTU,
      addresses: [`${management.guest}/${management.prefix}`],
    },
  });
  return [
    {
      why: `Create the directory of the ${role}'s files.`,
      do: { kind: 'directory', path: folder },
      undo: null,
    },
    file(`${folder}/start`, script, `Write the ${role}'s start script.`),
    file(`${folder}/sshd_config`, sshdConfig(management.guest), `Write the ${role}'s sshd configuration.`),
  ];
}

const file = (path: string, content: string, why: string): Step => ({
  why,
  do: { kind: 'file', path, content },
  undo: null,
});

/** The namespace's deletion removes it all. */
const ipIn =
  (netns: string | null) =>
  (why: string, args: string): Step => ({
    why,
    do: { kind: 'command', tool: 'ip', netns, args: args.split(' ') },
    undo: null,
  });
