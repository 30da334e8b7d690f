import { createInterface } from 'node:readline/promises';
import { userError, type ResolvedStudy } from '../schema/index.js';

/** Bytes per request of the headers of request and response, and of TCP/IP. */
const HEADER_BYTES = 450;
const BODY_BYTES: Readonly<Record<string, number>> = { '350B': 350, '4KB': 4096 };

/**
 * Asks for the confirmation of what was printed.
 *
 * @throws BarewireError `interrupted` or `bad-input`
 */
export async function confirm(what = 'A study on your machines'): Promise<void> {
  if (!process.stdin.isTTY)
    throw userError(`${what} needs a confirmation.`, 'Add --yes, or run it on a terminal.');
  const readline = createInterface({ input: process.stdin, output: process.stderr });
  const reply = await readline.question('Continue? [y/N] ');
  readline.close();
  if (!/^y(es)?$/i.test(reply.trim()))
    throw userError(`${what} was not confirmed.`, 'Answer y, or add --yes.', { code: 'interrupted' });
}

/** Describes the hosts and the peak load of a spec. */
export function describeLoad({
  testbed,
  networks,
  workloads,
  rates,
  restarts,
  durationMs,
}: ResolvedStudy): string {
  const hosts = Object.entries((testbed.options ?? {}) as Record<string, unknown>)
    .map(([role, host]) => `${role} ${String(host)}`)
    .join(', ');
  const loads = workloads.map((workload) => {
    const all = rates[workload] ?? [];
    const absolute = all.flatMap((rate) => (rate.kind === 'absolute' ? [rate.rps] : []));
    const shares = all.flatMap((rate) => (rate.kind === 'share' ? [rate.ofMax] : []));
    const peak = Math.max(0, ...absolute);
    const megabytes = (peak * ((BODY_BYTES[workload] ?? 0) + HEADER_BYTES)) / 1e6;
    return [
      ...(absolute.length === 0
        ? []
        : [`${workload}: up to ${peak} requests/s, ${megabytes.toFixed(1)} MB/s`]),
      ...(shares.length === 0
        ? []
        : [
            `${workload}: a short measurement of the maximum, then up to ${Math.max(...shares) * 100} % of it`,
          ]),
    ].join('; ');
  });
  return [
    `Hosts: ${hosts}`,
    `Networks: ${networks.join(', ')}; ${restarts} restarts of slices of ${durationMs / 1000} s`,
    `Load: ${loads.join('; ')}`,
  ].join('\n');
}
