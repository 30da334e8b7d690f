import * as z from 'zod';
import { selfCheckSchema, loadResultSchema } from './load.js';

/** What makes the load of a study: Barewire's own generator, or an installed tool for a second opinion. */
export const GENERATORS = ['barewire', 'wrk', 'wrk2', 'h2load', 'tcpkali'] as const;
export type GeneratorName = (typeof GENERATORS)[number];

/** A tool that made the load, and what must be known of its figures. */
export const externalGeneratorSchema = z.object({
  name: z.string(),
  version: z.string(),
  /** `closed`: it takes no rate, and each connection asks again as it is answered. */
  loop: z.enum(['open', 'closed']),
  /** What its latencies count from; those from the send are service times, whatever they are called. */
  timedFrom: z.enum(['intended', 'send']),
  /** What its figures cannot say, one sentence each, for the report. */
  cannotSay: z.array(z.string()),
});
export type ExternalGenerator = z.infer<typeof externalGeneratorSchema>;

/** A tool says less of itself than our generator does: what is left out, it does not say. */
export const externalSelfCheckSchema = selfCheckSchema.pick({
  valid: true,
  reasons: true,
  offeredRps: true,
  achievedRps: true,
});
export type ExternalSelfCheck = z.infer<typeof externalSelfCheckSchema>;

/** `response` holds what the tool timed, from where `timedFrom` says. */
export const externalResultSchema = loadResultSchema.extend({ selfCheck: externalSelfCheckSchema });
export type ExternalResult = z.infer<typeof externalResultSchema>;
