import type { PathKind } from '../network/index.js';
import { ping } from './ping.js';
import type { ActiveNetwork } from './set-up.js';
import type { Host, Testbed } from './types.js';

/** The longest packet that each path carries unfragmented, bytes; null where it carries none. */
export type PathMtus = Readonly<Record<PathKind, number | null>>;

/** The first replies are slow: neighbours are resolved, and hosts may be emulated. */
const WAIT_MS = 1_000;
/**
 * The wait for later replies is twice the time of the first ping including its program, which shows how fast
 * the host is.
 */
const LEAST_WAIT_MS = 20;
/** Every path that carries anything carries it. */
const SHORT_BYTES = 100;
/** The longest packet of IPv4, and of IPv6 without jumbograms. */
const LONGEST_BYTES = 65_535;

/**
 * Measures the paths of the client's first container by pings that must not be fragmented: to the server's
 * container, to the second container of its own host, and to that host. The network must have two containers
 * on each host.
 */
export async function probePathMtus({ client }: Testbed, active: ActiveNetwork): Promise<PathMtus> {
  const [second] = active.plans.client.extraContainers;
  if (second === undefined) throw new RangeError(`${active.network.name} was set up with one container`);
  const to = (address: string): Promise<number | null> => longestTo(client, active, address);
  const [across, sameHost, ownHost] = await Promise.all(
    [active.server.address, second.address, client.net.address].map(to),
  );
  return { across: across ?? null, sameHost: sameHost ?? null, ownHost: ownHost ?? null };
}

async function longestTo(host: Host, { client }: ActiveNetwork, to: string): Promise<number | null> {
  const { netns, mtu } = client;
  const replies = async (packetBytes: number, waitMs: number): Promise<boolean> =>
    (await ping(host.machine, { netns, to, count: 1, packetBytes, waitMs })) > 0;
  const started = performance.now();
  if (!(await replies(SHORT_BYTES, WAIT_MS))) return null;
  const waitMs = Math.max(LEAST_WAIT_MS, 2 * (performance.now() - started));
  const carries = (packetBytes: number): Promise<boolean> => replies(packetBytes, waitMs);
  const [whole, more] = await Promise.all([carries(mtu), carries(mtu + 1)]);
  if (more) return (await carries(LONGEST_BYTES)) ? LONGEST_BYTES : between(mtu + 1, LONGEST_BYTES, carries);
  return whole ? mtu : between(SHORT_BYTES, mtu, carries);
}

/** Returns the greatest number that passes, by bisection: `holds` passes, `fails` does not. */
async function between(
  holds: number,
  fails: number,
  test: (value: number) => Promise<boolean>,
): Promise<number> {
  if (fails - holds <= 1) return holds;
  const middle = Math.floor((holds + fails) / 2);
  return (await test(middle)) ? between(middle, fails, test) : between(holds, middle, test);
}
