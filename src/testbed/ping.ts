import type { Machine } from '../machine/index.js';
import { versionOf } from '../network/index.js';
import { machineError } from '../schema/index.js';

export interface PingPlan {
  readonly netns: string | null;
  readonly to: string;
  readonly count: number;
  /** The whole IP packet. */
  readonly packetBytes: number;
  /** The longest wait for the last reply. */
  readonly waitMs: number;
}

/** The IP header and 8 bytes of ICMP. */
const HEADERS_BYTES = { 4: 28, 6: 48 } as const;
const INTERVAL_S = '0.002';

/** Sends pings that must not be fragmented, and counts the replies. */
export async function ping(machine: Machine, plan: PingPlan): Promise<number> {
  const payload = String(plan.packetBytes - HEADERS_BYTES[versionOf(plan.to)]);
  const wait = String(plan.waitMs / 1_000);
  const how = ['-n', '-q', '-i', INTERVAL_S, '-M', 'do', '-W', wait];
  const argv = ['ping', ...how, '-c', String(plan.count), '-s', payload, plan.to];
  const { code, stdout, stderr } = await machine.run(argv, { netns: plan.netns, timeoutMs: 20_000 });
  const replies = /(?<answers>\d+) received/.exec(stdout)?.groups?.['answers'];
  if (replies !== undefined) return Number(replies);
  // iputils prints no statistics when it could not send at all: no route, no such address.
  if (code === 2 && stderr.includes('ping: connect:')) return 0;
  throw machineError(
    'process-failed',
    `${argv.join(' ')} printed no statistics: ${(stderr || stdout).trim()}`,
    "Install ping of iputils (Debian: iputils-ping). busybox's cannot forbid fragments.",
  );
}

const IGNORE_ECHO = {
  4: '/proc/sys/net/ipv4/icmp_echo_ignore_all',
  6: '/proc/sys/net/ipv6/icmp/echo_ignore_all',
} as const;

/** Whether a setting of the kernel forbids to answer pings to an address. */
export async function ignoresPings(
  machine: Machine,
  netns: string | null,
  address: string,
): Promise<boolean> {
  const { stdout } = await machine.run(['cat', IGNORE_ECHO[versionOf(address)]], { netns });
  return stdout.trim() === '1';
}
