import * as z from 'zod';
import { nearest } from './nearest.js';
import { LATENCY_KEYS, type LatencyKey } from './summary.js';

/** An additional condition for a sustained rate: a latency of each slice below a limit. */
export const objectiveSchema = z.object({
  latency: z.enum(LATENCY_KEYS as [LatencyKey, ...LatencyKey[]]),
  limitMs: z.number().positive(),
});
export type Objective = z.infer<typeof objectiveSchema>;

const UNITS_MS: Readonly<Record<string, number>> = { us: 1e-3, µs: 1e-3, μs: 1e-3, ms: 1, s: 1e3 };
const FORM =
  /^\s*(?<latency>[a-zA-Z]+[\d.]*)\s*(?:<|<=|≤)\s*(?<number>\d+(?:\.\d+)?|\.\d+)\s*(?<unit>\p{L}*)\s*$/u;

/** Parses `p99<2ms`, `p99.9 < 500us`, `max<1s`. For any other text returns the nearest valid one. */
export function parseObjective(text: string): Objective | { readonly nearest: string } {
  const { latency: asked, number, unit } = FORM.exec(text)?.groups ?? {};
  if (asked === undefined || number === undefined || unit === undefined) return { nearest: 'p99<2ms' };
  const latency = LATENCY_KEYS.find((key) => key === asked);
  const factor = Object.hasOwn(UNITS_MS, unit) ? UNITS_MS[unit] : undefined;
  const limitMs = Number(number) * (factor ?? NaN);
  if (latency !== undefined && limitMs > 0) return { latency, limitMs };
  return {
    nearest: [
      latency ?? nearest(asked, LATENCY_KEYS),
      '<',
      Number(number) > 0 ? number : '2',
      factor === undefined ? (nearest(unit || 'ms', ['ms', 'us', 's']) ?? 'ms') : unit,
    ].join(''),
  };
}

/** Prints an objective in milliseconds: `p99<2ms`. */
export const printObjective = ({ latency, limitMs }: Objective): string => `${latency}<${limitMs}ms`;
