import { userError, type ResolvedStudy } from '../schema/index.js';
import type { TestbedPlan } from '../testbed/index.js';

/** Both ends of an open connection: 9.5 kB of sockets while it is idle (Linux 6.18), and as much again for what is in flight. */
const CONNECTION_BYTES = 20_000;
/** Of the memory of a host. */
const MEMORY_SHARE = 0.5;
/** The two set-ups of the reference, which every group has. */
const REFERENCES = 2;

/**
 * The most contenders whose connections can be open at once beside the reference's.
 *
 * @throws BarewireError `bad-input` where not even one fits
 */
export function contendersInMemory(
  { connections, networks }: Pick<ResolvedStudy, 'connections' | 'networks'>,
  { hosts }: Pick<TestbedPlan, 'hosts'>,
): number {
  const memory = Object.values(hosts).flatMap(({ memoryBytes }) => memoryBytes ?? []);
  const each = connections * CONNECTION_BYTES;
  const fitting = Math.floor((Math.min(...memory) * MEMORY_SHARE) / each) - REFERENCES;
  if (fitting >= 1) return Math.min(networks.length, fitting);
  const most = Math.floor((Math.min(...memory) * MEMORY_SHARE) / CONNECTION_BYTES / (REFERENCES + 1));
  throw userError(
    `${connections} connections need ${gigabytes((REFERENCES + 1) * each)} GB for the reference, its control and one network, more than half the memory of a host (${gigabytes(Math.min(...memory))} GB).`,
    `Use at most ${most} connections here.`,
  );
}

const gigabytes = (bytes: number): string => (bytes / 1e9).toFixed(1);
