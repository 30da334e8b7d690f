import { setTimeout as pause } from 'node:timers/promises';
import { type BarewireError, machineError } from '../schema/index.js';
import { readCounters, type Counters, countPath, countBypass, type DeviceCount } from './counters.js';
import { explainFailedRequest } from './failed-request.js';
import { ignoresPings, ping, type PingPlan } from './ping.js';
import type { ActiveNetwork } from './set-up.js';
import type { HostRole, Testbed } from './types.js';

export interface PathReport {
  /** The MTU of the containers' links, which the whole path carries unfragmented. */
  readonly mtu: number;
  /** Sent from each host to the other. */
  readonly pings: number;
  /** What each device of the path carried, in the order from the client's container to the server's. */
  readonly through: readonly DeviceCount[];
  readonly ms: number;
}

/** From each host to the other: a response may travel in fragments, a ping must not. */
const PINGS = 3;
/** A busy emulated host takes a while to answer the first. */
const PING_WAIT_MS = 1_000;
/** A ping that is too long fails where it is sent. One that is carried returns long before this. */
const TOO_LONG_WAIT_MS = 3;

/**
 * Checks that packets between the containers take the path of the network. Pings of the full MTU and then
 * `request` must be counted by every device of the path and by no device of its bypass. Where hosts translate addresses they answer
 * pings themselves, and some hosts answer none: then `burst`, which returns the number of its requests, is counted instead.
 *
 * @throws BarewireError `path-check-failed` with the device, the expected and the seen count; what `request`
 * throws
 */
export async function checkPath(
  testbed: Testbed,
  active: ActiveNetwork,
  request: () => Promise<void>,
  burst: () => Promise<number> = async () => {
    await request();
    return 1;
  },
): Promise<PathReport> {
  const started = performance.now();
  const before = await readCounters(testbed, active.plans);
  for (const host of ['client', 'server'] as const satisfies HostRole[]) {
    const { mtu: seen } = before[host].at(active[host]);
    const { link, mtu } = active[host];
    if (seen === null) throw failed(active, `the ${host}'s container has no link ${link}`);
    if (seen !== mtu)
      throw failed(active, `${link} in the ${host}'s container has MTU ${seen}, expected ${mtu}`);
  }
  const pings =
    active.server.published === undefined && (await checkPings(testbed, active, before)) ? PINGS : 0;
  const between = await readCounters(testbed, active.plans);
  try {
    await request();
  } catch (error) {
    throw pings === 0 ? error : await explainFailedRequest(testbed, active, between, error);
  }
  const requests = pings > 0 ? 1 : await burst();
  const after = await readCounters(testbed, active.plans);
  // TCP decides how many packets requests take: at least one for several that are sent at a time.
  checkCarried(
    active,
    pings > 0 ? 'the request' : 'the requests',
    Math.ceil(LEAST_SHARE * requests),
    between,
    after,
  );
  const through = countPath(active.plans, before, after);
  const ms = performance.now() - started;
  // A device of the bypass carries other packets now and then (`lo`: ssh, a resolver). If the pings had crossed
  // it, it would have counted as many packets as the path.
  const path = weakest(through);
  const least = path === undefined ? 1 : bothWays(path);
  const isStray = (beside: DeviceCount): boolean => bothWays(beside) >= least;
  const strays = countBypass(active.plans, before, after).filter(isStray);
  if (strays.length > 0) await checkIdle(testbed, active, { strays, isStray, after, ms });
  return { mtu: active.client.mtu, pings, through, ms };
}

/** Responses and requests of one moment may share a packet. */
export const LEAST_SHARE = 0.8;

/** Returns false where a host is configured to answer no pings, which then show nothing. */
async function checkPings(testbed: Testbed, active: ActiveNetwork, before: Counters): Promise<boolean> {
  const { toServer, toClient, tooLong } = await pingUntilClear(testbed, active);
  const { mtu } = active.client;
  const silent = [
    ...(toServer === 0 ? ['server' as const] : []),
    ...(toClient === 0 ? ['client' as const] : []),
  ];
  const ignoring = silent.map((role) =>
    ignoresPings(testbed[role].machine, active[role].netns, active[role].address),
  );
  if ((await Promise.all(ignoring)).includes(true)) return false;
  const what = `${toServer} of ${PINGS} pings of ${mtu} bytes from the client were answered, ${toClient} of ${PINGS} from the server`;
  checkCarried(active, what, 2 * PINGS, before, await readCounters(testbed, active.plans));
  if (toServer + toClient < 2 * PINGS)
    throw failed(active, `${what}, though every device of the path carried packets`);
  if (tooLong > 0) throw failed(active, `a ping of ${mtu + 1} bytes was answered, expected it to fail`);
  return true;
}

interface Replies {
  readonly toServer: number;
  readonly toClient: number;
  readonly tooLong: number;
}

/** How often pings are repeated when some were answered and some were not. */
const MORE_PINGS = 2;

/**
 * After its first reply, ping waits no longer than two round trips for the others and counts late ones as
 * lost. On a busy machine that shows nothing about the path.
 */
async function pingUntilClear(testbed: Testbed, active: ActiveNetwork): Promise<Replies> {
  let replies = await pingThrough(testbed, active);
  for (
    let more = 0;
    more < MORE_PINGS &&
    replies.toServer > 0 &&
    replies.toClient > 0 &&
    replies.toServer + replies.toClient < 2 * PINGS;
    more++
  )
    replies = await pingThrough(testbed, active);
  return replies;
}

async function pingThrough(testbed: Testbed, active: ActiveNetwork): Promise<Replies> {
  const from = (role: HostRole, to: HostRole, how: Pick<PingPlan, 'count' | 'packetBytes' | 'waitMs'>) =>
    ping(testbed[role].machine, { netns: active[role].netns, to: active[to].address, ...how });
  const { mtu } = active.client;
  const full = { count: PINGS, packetBytes: mtu, waitMs: PING_WAIT_MS };
  const [toServer, toClient, tooLong] = await Promise.all([
    from('client', 'server', full),
    from('server', 'client', full),
    from('client', 'server', { count: 1, packetBytes: mtu + 1, waitMs: TOO_LONG_WAIT_MS }),
  ]);
  return { toServer, toClient, tooLong };
}

function checkCarried(
  active: ActiveNetwork,
  what: string,
  least: number,
  before: Counters,
  after: Counters,
): void {
  const gap = weakest(countPath(active.plans, before, after));
  if (gap !== undefined && bothWays(gap) < least)
    throw failed(active, `${seen(gap)}, expected at least ${least} each way (${what})`);
}

interface Strays {
  readonly strays: readonly DeviceCount[];
  readonly isStray: (beside: DeviceCount) => boolean;
  readonly after: Counters;
  readonly ms: number;
}

/**
 * Other traffic of a busy host continues in the next moments, when none of the check's packets are on their
 * way.
 */
async function checkIdle(testbed: Testbed, active: ActiveNetwork, seenBeside: Strays): Promise<void> {
  const { strays, isStray, after, ms } = seenBeside;
  await pause(ms);
  const idle = countBypass(active.plans, after, await readCounters(testbed, active.plans)).filter(isStray);
  const sameDevice = (one: DeviceCount) => (other: DeviceCount) =>
    one.host === other.host && one.waypoint.netns === other.waypoint.netns;
  const stray = strays.find((one) => !idle.some(sameDevice(one)));
  if (stray !== undefined)
    throw failed(active, `${seen(stray)}, as many as the path and more than when idle`);
}

const bothWays = ({ received, sent }: DeviceCount): number => Math.min(received, sent);

/**
 * Behind the position where packets are lost, devices carry fewer than before it. The first device with the
 * fewest is next to it.
 */
const weakest = (counts: readonly DeviceCount[]): DeviceCount | undefined =>
  counts.toSorted((one, other) => bothWays(one) - bothWays(other))[0];

const seen = ({ host, waypoint, received, sent }: DeviceCount): string =>
  `${waypoint.link} ${waypoint.netns === null ? 'of' : 'in the container of'} the ${host} received ${received} and sent ${sent} packets`;

const failed = ({ network, client, server }: ActiveNetwork, fact: string): BarewireError =>
  machineError(
    'path-check-failed',
    `Path check of ${network.name} failed between ${client.address} and ${server.address}: ${fact}`,
    'Check for a firewall (nft list ruleset, iptables -S FORWARD), other software that owns these routes, or a wrong MTU of the wire.',
  );
