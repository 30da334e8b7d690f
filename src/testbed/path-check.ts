import { BarewireError } from '../schema/index.js';
import { readCounters, type Counters } from './counters.js';
import { passed, strayed, type DeviceCount } from './path.js';
import { ping } from './ping.js';
import type { RaisedNetwork } from './raise.js';
import type { HostRole, Testbed } from './types.js';

export interface PathReport {
  /** Of the containers' links, and carried by the whole path unfragmented. */
  readonly mtu: number;
  readonly pings: number;
  /** What each device of the path carried, from the client's container over the wire to the server's. */
  readonly through: readonly DeviceCount[];
  readonly ms: number;
}

const PINGS = 5;
const PING_WAIT_MS = 500;
/** A ping that is too long fails where it is sent; one that is carried after all is back long before. */
const TOO_LONG_WAIT_MS = 10;

/**
 * Proves that packets between the containers take the path that the network's name promises: pings of the full MTU, and then
 * the `request`, are counted by every device that must carry them and by none that must not.
 * @throws BarewireError `path-check-failed` that names the device with the expected and the seen count; what `request` throws.
 */
export async function checkPath(
  testbed: Testbed,
  raised: RaisedNetwork,
  request: () => Promise<void>,
): Promise<PathReport> {
  const started = performance.now();
  const before = await readCounters(testbed, raised.plans);
  checkMtu(raised, before);
  const answers = await pingThrough(testbed, raised);
  const between = await readCounters(testbed, raised.plans);
  checkPings(raised, answers, before, between);
  await request();
  const after = await readCounters(testbed, raised.plans);
  // How many packets a request takes is TCP's business; none is too few.
  checkCarried(raised, 'the request', 1, between, after);
  const through = passed(raised.plans, before, after);
  return { mtu: raised.client.mtu, pings: PINGS, through, ms: performance.now() - started };
}

function checkMtu(raised: RaisedNetwork, counters: Counters): void {
  for (const host of ['client', 'server'] as const satisfies HostRole[]) {
    const { mtu: seen } = counters[host].at(raised[host]);
    const { link, mtu } = raised[host];
    if (seen === null) throw failed(raised, `there is no ${link} in the ${host}'s container`);
    if (seen !== mtu)
      throw failed(raised, `${link} in the ${host}'s container has MTU ${seen}, expected ${mtu}`);
  }
}

interface Answers {
  readonly full: number;
  readonly tooLong: number;
}

async function pingThrough({ client: { machine } }: Testbed, raised: RaisedNetwork): Promise<Answers> {
  const { mtu, netns } = raised.client;
  const way = { netns, to: raised.server.address };
  const [full, tooLong] = await Promise.all([
    ping(machine, { ...way, count: PINGS, packetBytes: mtu, waitMs: PING_WAIT_MS }),
    ping(machine, { ...way, count: 1, packetBytes: mtu + 1, waitMs: TOO_LONG_WAIT_MS }),
  ]);
  return { full, tooLong };
}

function checkPings(raised: RaisedNetwork, answers: Answers, before: Counters, after: Counters): void {
  const { mtu } = raised.client;
  const lost = `${PINGS - answers.full} of ${PINGS} pings of ${mtu} bytes got no answer`;
  checkCarried(raised, answers.full < PINGS ? lost : `${PINGS} pings`, PINGS, before, after);
  if (answers.full < PINGS) throw failed(raised, `${lost}, though every device of the path carried packets`);
  if (answers.tooLong > 0)
    throw failed(raised, `a ping of ${mtu + 1} bytes was answered, expected it not to leave`);
}

function checkCarried(
  raised: RaisedNetwork,
  what: string,
  least: number,
  before: Counters,
  after: Counters,
): void {
  const gap = passed(raised.plans, before, after).find(
    (count) => Math.min(count.received, count.sent) < least,
  );
  if (gap !== undefined) throw failed(raised, `${seen(gap)}, expected at least ${least} each way (${what})`);
  const stray = strayed(raised.plans, before, after).find(({ received, sent }) => received + sent > 0);
  if (stray !== undefined) throw failed(raised, `${seen(stray)}, expected none (${what})`);
}

const seen = ({ host, waypoint, received, sent }: DeviceCount): string =>
  `${waypoint.link} ${waypoint.netns === null ? 'of' : 'in the container of'} the ${host} received ${received} and sent ${sent} packets`;

const failed = ({ network, client, server }: RaisedNetwork, fact: string): BarewireError =>
  new BarewireError(
    `${network.name} does not carry packets as it should from ${client.address} to ${server.address}: ${fact}`,
    {
      code: 'path-check-failed',
      fault: 'machine',
      hint: 'Look for a firewall (nft list ruleset, iptables -S FORWARD), other software that owns these routes, or a wrong MTU on the wire.',
    },
  );
