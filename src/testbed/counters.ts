import * as z from 'zod';
import { parseNetDev } from '../linux/index.js';
import type { Machine } from '../machine/index.js';
import type { HostPlan, PathDevice } from '../network/index.js';
import { machineError } from '../schema/index.js';
import { parseIpJson } from './ip-json.js';
import type { Host, HostRole, Testbed } from './types.js';

/** Packets since the link was created, and the MTU where it was requested. */
interface LinkState {
  readonly received: number;
  readonly sent: number;
  readonly mtu: number | null;
}

type LinkStates = ReadonlyMap<string, LinkState>;
export type HostPlans = Readonly<Record<HostRole, HostPlan>>;

/** The link counters of a host and of its container at one moment. */
class HostCounters {
  readonly #outside: LinkStates;
  readonly #inside: LinkStates;

  constructor(outside: LinkStates, inside: LinkStates) {
    this.#outside = outside;
    this.#inside = inside;
  }

  /** A missing link carried nothing. */
  at({ netns, link }: PathDevice): LinkState {
    const states = netns === null ? this.#outside : this.#inside;
    return states.get(link) ?? { received: 0, sent: 0, mtu: null };
  }
}

export type Counters = Readonly<Record<HostRole, HostCounters>>;

/** Reads both hosts at once. */
export async function readCounters({ client, server }: Testbed, plans: HostPlans): Promise<Counters> {
  const [atClient, atServer] = await Promise.all([
    countersOf(client, plans.client),
    countersOf(server, plans.server),
  ]);
  return { client: atClient, server: atServer };
}

/**
 * `ip` reads the container's namespace, because it reports the MTU; a file gives the host's counters without
 * a process.
 */
async function countersOf({ machine }: Host, { container }: HostPlan): Promise<HostCounters> {
  if (container.netns === null) {
    const states = await linksOf(machine, null);
    return new HostCounters(states, states);
  }
  const [outside, inside] = await Promise.all([ownLinks(machine), linksOf(machine, container.netns)]);
  return new HostCounters(outside, inside);
}

/**
 * The entry of the reading thread. /proc/self follows the main thread, which may be in a container's
 * namespace at that moment to start a program there.
 */
const NET_DEV = '/proc/thread-self/net/dev';

async function ownLinks(machine: Machine): Promise<LinkStates> {
  const { files } = await machine.readFiles([NET_DEV]);
  const counters = parseNetDev(files[NET_DEV] ?? '');
  const states = new Map<string, LinkState>();
  for (const [key, received] of counters) {
    if (!key.endsWith('.rx_packets')) continue;
    const link = key.slice(0, -'.rx_packets'.length);
    states.set(link, { received, sent: counters.get(`${link}.tx_packets`) ?? 0, mtu: null });
  }
  return states;
}

const packets = z.object({ packets: z.number() });
const linkSchema = z.object({
  ifname: z.string(),
  mtu: z.number(),
  stats64: z.object({ rx: packets, tx: packets }),
});

async function linksOf(machine: Machine, netns: string | null): Promise<LinkStates> {
  const result = await machine.run(['ip', '-j', '-s', 'link'], { netns, timeoutMs: 20_000 });
  if (result.code !== 0)
    throw machineError(
      'process-failed',
      `Could not read the links in ${netns ?? "the host's namespace"} on ${machine.name}: ${result.stderr.trim()}`,
      'Check that the namespace exists (ip netns) and that iproute2 is 4.10 or later.',
    );
  const links = parseIpJson(result.stdout, linkSchema, 'ifname');
  return new Map(
    links.map(({ ifname, mtu, stats64: { rx, tx } }) => [
      ifname,
      { received: rx.packets, sent: tx.packets, mtu },
    ]),
  );
}

export interface HostDevice {
  readonly host: HostRole;
  readonly waypoint: PathDevice;
}

/** What a device carried between two readings, in packets. */
export interface DeviceCount extends HostDevice {
  readonly received: number;
  readonly sent: number;
}

const devices = (host: HostRole, waypoints: readonly PathDevice[]): HostDevice[] =>
  waypoints.map((waypoint) => ({ host, waypoint }));

function moved({ host, waypoint }: HostDevice, before: Counters, after: Counters): DeviceCount {
  const [first, last] = [before[host].at(waypoint), after[host].at(waypoint)];
  return { host, waypoint, received: last.received - first.received, sent: last.sent - first.sent };
}

/** Counts what the devices of the path carried. */
// Ordered from the client's container over the wire to the server's container.
export const countPath = (plans: HostPlans, before: Counters, after: Counters): DeviceCount[] =>
  [...devices('client', plans.client.path).reverse(), ...devices('server', plans.server.path)].map((device) =>
    moved(device, before, after),
  );

/** Counts what the devices of the bypass carried. */
export const countBypass = (plans: HostPlans, before: Counters, after: Counters): DeviceCount[] =>
  [...devices('client', plans.client.bypass), ...devices('server', plans.server.bypass)].map((device) =>
    moved(device, before, after),
  );
