import { join } from 'node:path';
import type { NetworkHost } from '../../network/index.js';
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

function wireSteps({ run, wire, queues, ipv6 }: BasePlan): Step[] {
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
    ...(wire.rateMbps === null ? [] : ROLES.map((role) => shape(netns, role, wire.rateMbps ?? 0))),
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
