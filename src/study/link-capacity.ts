import { userError, type ResolvedStudy, type WorkloadName } from '../schema/index.js';
import { workload } from '../server/index.js';

/** nginx's header of a response, about. */
const HEADER_BYTES = 230;
/** The payload of a full segment at an MTU of 1500, and what surrounds it on the wire: Ethernet with preamble, gap and check sum, IP, TCP with time stamps. */
const [SEGMENT_BYTES, OVERHEAD_BYTES] = [1448, 90];

/** Bytes on the wire for one response, at least. */
export function wireBytes(name: WorkloadName): number {
  const { bodyBytes, wireBytes: fixed } = workload(name);
  const payload = fixed ?? bodyBytes + HEADER_BYTES;
  return payload + Math.ceil(payload / SEGMENT_BYTES) * OVERHEAD_BYTES;
}

/**
 * Refuses rates whose responses alone exceed the link.
 *
 * @param linkMbps null where the speed is not known
 * @throws BarewireError `bad-input` with the highest rate that fits
 */
export function requireLinkCapacity(study: ResolvedStudy, linkMbps: number | null): void {
  if (linkMbps === null) return;
  for (const name of study.workloads)
    for (const rate of study.rates[name] ?? []) {
      const mostRps = Math.floor((linkMbps * 1e6) / 8 / wireBytes(name));
      if (rate.kind === 'absolute' && rate.rps > mostRps)
        throw userError(
          `${rate.rps} requests/s of ${name} do not fit into the link of ${linkMbps} Mbit/s: their responses alone take ${Math.ceil((rate.rps * 8 * wireBytes(name)) / 1e6)} Mbit/s.`,
          `The link carries at most ${mostRps} requests/s of ${name}. Lower the rate, or use shares of the maximum (30%).`,
        );
    }
}
