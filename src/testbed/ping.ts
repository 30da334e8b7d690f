import type { Machine } from '../machine/index.js';
import { versionOf } from '../network/index.js';
import { machineError } from '../schema/index.js';

export interface PingPlan {
  readonly netns: string | null;
  readonly to: string;
  readonly count: number;
  /** The whole IP packet. */
  readonly packetBytes: number;
  /** How long the last answer may take. */
  readonly waitMs: number;
}

/** The IP header and ICMP's 8. */
const HEADERS_BYTES = { 4: 28, 6: 48 } as const;
const INTERVAL_S = '0.002';

/** Sends pings that must not be fragmented and counts their answers. */
export async function ping(machine: Machine, plan: PingPlan): Promise<number> {
  const payload = String(plan.packetBytes - HEADERS_BYTES[versionOf(plan.to)]);
  const wait = String(plan.waitMs / 1_000);
  const how = ['-n', '-q', '-i', INTERVAL_S, '-M', 'do', '-W', wait];
  const argv = ['ping', ...how, '-c', String(plan.count), '-s', payload, plan.to];
  const { code, stdout, stderr } = await machine.run(argv, { netns: plan.netns, timeoutMs: 20_000 });
  const answers = /(?<answers>\d+) received/.exec(stdout)?.groups?.['answers'];
  if (answers !== undefined) return Number(answers);
  // iputils says nothing about answers when it could not send at all: no route, no such address.
  if (code === 2 && stderr.includes('ping: connect:')) return 0;
  throw machineError(
    'process-failed',
    `${argv.join(' ')} said nothing about answers: ${(stderr || stdout).trim()}`,
    "Install the ping of iputils (Debian: iputils-ping); busybox's cannot forbid fragments.",
  );
}
