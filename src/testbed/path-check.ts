import { setTimeout as pause } from 'node:timers/promises';
import { type BarewireError, machineError } from '../schema/index.js';
import { readCounters, type Counters } from './counters.js';
import { countPath, countBypass, type DeviceCount } from './path.js';
import { ping, type PingPlan } from './ping.js';
import type { ActiveNetwork } from './set-up.js';
import type { HostRole, Testbed } from './types.js';

export interface PathReport {
  /** Of the containers' links, and carried by the whole path unfragmented. */
  readonly mtu: number;
  /** From each host to the other. */
  readonly pings: number;
  /** What each device of the path carried, from the client's container over the wire to the server's. */
  readonly through: readonly DeviceCount[];
  readonly ms: number;
}

/** From each host to the other: an answer may travel in fragments, which a ping may not. */
const PINGS = 3;
/** An emulated host whose machine is busy takes a while to answer the first. */
const PING_WAIT_MS = 1_000;
/** A ping that is too long fails where it is sent; one that is carried after all is back long before. */
const TOO_LONG_WAIT_MS = 3;

/**
 * Proves that packets between the containers take the path that the network's name promises: pings of the full MTU, and then
 * the `request`, are counted by every device that must carry them and by none that must not.
 * @throws BarewireError `path-check-failed` that names the device with the expected and the seen count; what `request` throws.
 */
export async function checkPath(
  testbed: Testbed,
  raised: ActiveNetwork,
  request: () => Promise<void>,
): Promise<PathReport> {
  const started = performance.now();
  const before = await readCounters(testbed, raised.plans);
  checkMtu(raised, before);
  const answers = await pingUntilClear(testbed, raised);
  const between = await readCounters(testbed, raised.plans);
  checkPings(raised, answers, before, between);
  await request();
  const after = await readCounters(testbed, raised.plans);
  // How many packets a request takes is TCP's business; none is too few.
  checkCarried(raised, 'the request', 1, between, after);
  const through = countPath(raised.plans, before, after);
  const ms = performance.now() - started;
  const isStray = ofNote(through);
  const strays = countBypass(raised.plans, before, after).filter(isStray);
  if (strays.length > 0) await checkIdle(testbed, raised, { strays, isStray, after, ms });
  return { mtu: raised.client.mtu, pings: PINGS, through, ms };
}

function checkMtu(raised: ActiveNetwork, counters: Counters): void {
  for (const host of ['client', 'server'] as const satisfies HostRole[]) {
    const { mtu: seen } = counters[host].at(raised[host]);
    const { link, mtu } = raised[host];
    if (seen === null) throw failed(raised, `there is no ${link} in the ${host}'s container`);
    if (seen !== mtu)
      throw failed(raised, `${link} in the ${host}'s container has MTU ${seen}, expected ${mtu}`);
  }
}

interface Answers {
  readonly toServer: number;
  readonly toClient: number;
  readonly tooLong: number;
}

/** How often pings are sent again of which some were answered, and some not. */
const MORE_PINGS = 2;

/**
 * Once it has an answer, ping waits for the others no longer than two round trips of it, and calls late ones lost: on a busy machine
 * that says nothing of the path.
 */
async function pingUntilClear(testbed: Testbed, raised: ActiveNetwork): Promise<Answers> {
  let answers = await pingThrough(testbed, raised);
  for (let more = 0; more < MORE_PINGS && someLate(answers); more++)
    answers = await pingThrough(testbed, raised);
  return answers;
}

const someLate = ({ toServer, toClient }: Answers): boolean =>
  toServer > 0 && toClient > 0 && toServer + toClient < 2 * PINGS;

async function pingThrough(testbed: Testbed, raised: ActiveNetwork): Promise<Answers> {
  const from = (role: HostRole, to: HostRole, how: Pick<PingPlan, 'count' | 'packetBytes' | 'waitMs'>) =>
    ping(testbed[role].machine, { netns: raised[role].netns, to: raised[to].address, ...how });
  const { mtu } = raised.client;
  const full = { count: PINGS, packetBytes: mtu, waitMs: PING_WAIT_MS };
  const [toServer, toClient, tooLong] = await Promise.all([
    from('client', 'server', full),
    from('server', 'client', full),
    from('client', 'server', { count: 1, packetBytes: mtu + 1, waitMs: TOO_LONG_WAIT_MS }),
  ]);
  return { toServer, toClient, tooLong };
}

function checkPings(raised: ActiveNetwork, answers: Answers, before: Counters, after: Counters): void {
  const { mtu } = raised.client;
  const { toServer, toClient, tooLong } = answers;
  const all = toServer === PINGS && toClient === PINGS;
  const what = `${toServer} of ${PINGS} pings of ${mtu} bytes from the client were answered, ${toClient} of ${PINGS} from the server`;
  checkCarried(raised, what, 2 * PINGS, before, after);
  if (!all) throw failed(raised, `${what}, though every device of the path carried packets`);
  if (tooLong > 0) throw failed(raised, `a ping of ${mtu + 1} bytes was answered, expected it not to leave`);
}

function checkCarried(
  raised: ActiveNetwork,
  what: string,
  least: number,
  before: Counters,
  after: Counters,
): void {
  const gap = weakest(countPath(raised.plans, before, after));
  if (gap !== undefined && bothWays(gap) < least)
    throw failed(raised, `${seen(gap)}, expected at least ${least} each way (${what})`);
}

/**
 * A device beside the path carries packets of others now and then (over `lo`: ssh, a resolver). Had these gone that way, it would
 * have counted as many as the path did.
 */
function ofNote(through: readonly DeviceCount[]): (beside: DeviceCount) => boolean {
  const path = weakest(through);
  const least = path === undefined ? 1 : bothWays(path);
  return (beside) => bothWays(beside) >= least;
}

interface Strays {
  readonly strays: readonly DeviceCount[];
  readonly isStray: (beside: DeviceCount) => boolean;
  readonly after: Counters;
  readonly ms: number;
}

/** What others send over a device of a busy host, they send in the next moments too, when nothing of ours is on its way. */
async function checkIdle(testbed: Testbed, raised: ActiveNetwork, seenBeside: Strays): Promise<void> {
  const { strays, isStray, after, ms } = seenBeside;
  await pause(ms);
  const idle = countBypass(raised.plans, after, await readCounters(testbed, raised.plans)).filter(isStray);
  const sameDevice = (one: DeviceCount) => (other: DeviceCount) =>
    one.host === other.host && one.waypoint.netns === other.waypoint.netns;
  const stray = strays.find((one) => !idle.some(sameDevice(one)));
  if (stray !== undefined)
    throw failed(raised, `${seen(stray)}, as many as the path and more than when idle`);
}

const bothWays = ({ received, sent }: DeviceCount): number => Math.min(received, sent);

/** Where packets are lost, the devices behind carry fewer than those before; the first of the fewest is next to the place. */
const weakest = (counts: readonly DeviceCount[]): DeviceCount | undefined =>
  counts.toSorted((one, other) => bothWays(one) - bothWays(other))[0];

const seen = ({ host, waypoint, received, sent }: DeviceCount): string =>
  `${waypoint.link} ${waypoint.netns === null ? 'of' : 'in the container of'} the ${host} received ${received} and sent ${sent} packets`;

const failed = ({ network, client, server }: ActiveNetwork, fact: string): BarewireError =>
  machineError(
    'path-check-failed',
    `${network.name} does not carry packets as it should from ${client.address} to ${server.address}: ${fact}`,
    'Look for a firewall (nft list ruleset, iptables -S FORWARD), other software that owns these routes, or a wrong MTU on the wire.',
  );
