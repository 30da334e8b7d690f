import * as z from 'zod';
import { findingSchema } from './finding.js';
import { selfCheckSchema, loadResultSchema } from './load.js';

/** What generates the load of a study: Barewire's own generator, or an installed tool as a cross-check. */
export const GENERATORS = ['barewire', 'wrk', 'wrk2', 'h2load', 'tcpkali'] as const;
export type GeneratorName = (typeof GENERATORS)[number];

/** An external generator, and how to read its latencies. */
export const externalGeneratorSchema = z.object({
  name: z.string(),
  version: z.string(),
  /** `closed`: it takes no rate; each connection sends its next request when it receives a response. */
  loop: z.enum(['open', 'closed']),
  /** Where its latencies start; those from the send are service times. */
  timedFrom: z.enum(['intended', 'send']),
  /** What its results do not show. */
  limits: z.array(findingSchema),
});
export type ExternalGenerator = z.infer<typeof externalGeneratorSchema>;

/** An external generator reports less about itself than Barewire's own. */
const externalSelfCheckSchema = selfCheckSchema.pick({
  valid: true,
  findings: true,
  offeredRps: true,
  achievedRps: true,
});

/** `response` holds the latencies as the tool measured them, from `timedFrom`. */
export const externalResultSchema = loadResultSchema.extend({ selfCheck: externalSelfCheckSchema });
export type ExternalResult = z.infer<typeof externalResultSchema>;
