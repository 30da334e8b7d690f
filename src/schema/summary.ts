import * as z from 'zod';
import { instructionsSchema } from './cost.js';
import { findingGroupSchema, findingSchema } from './finding.js';
import { externalGeneratorSchema } from './load.js';
import { cpuCostSchema, setupStepsSchema } from './slice.js';

/** The quantiles of every table and file by name; `max` is the greatest sample. */
export const QUANTILES = {
  p50: 0.5,
  p90: 0.9,
  p95: 0.95,
  p99: 0.99,
  'p99.5': 0.995,
  'p99.9': 0.999,
  'p99.99': 0.9999,
  'p99.999': 0.99999,
} as const;
export type QuantileName = keyof typeof QUANTILES;
export const QUANTILE_NAMES = Object.keys(QUANTILES) as QuantileName[];
export type LatencyKey = QuantileName | 'max';
export const LATENCY_KEYS: readonly LatencyKey[] = [...QUANTILE_NAMES, 'max'];

/** A value with its 95 % interval, or no value with the finding that explains it. */
export const estimateSchema = z.union([
  z.object({ value: z.number(), low: z.number().nullable(), high: z.number().nullable() }),
  z.object({ value: z.null(), finding: findingSchema }),
]);
export type Estimate = z.infer<typeof estimateSchema>;

const figures = z.record(z.enum(LATENCY_KEYS as [LatencyKey, ...LatencyKey[]]), estimateSchema);
export type LatencyEstimates = z.infer<typeof figures>;

/** From paired ratios to the reference; an undecided one has the number of restarts that would decide it, if known. */
export const verdictSchema = z.object({
  verdict: z.enum(['better', 'worse', 'equivalent', 'undecided']),
  restartsNeeded: z.number().int().nullable(),
  /** The minutes that these restarts take beyond those of the study. */
  minutesNeeded: z.number().optional(),
});
export type Verdict = z.infer<typeof verdictSchema>;

const cellSchema = z.object({
  workload: z.string(),
  rateRps: z.number(),
  rateOfMax: z.number().nullable(),
  achievedRps: z.number(),
  /** Whether at least 99 % of the rate was achieved; null without a valid slice. */
  sustained: z.boolean().nullable(),
  /** Valid slices. Invalid and failed ones are counted separately and are part of no estimate. */
  slices: z.number().int(),
  invalidSlices: z.number().int(),
  failedSlices: z.number().int(),
  samples: z.number().int(),
  /** Typical: the median over slices of the slice's quantile. */
  latencyMs: figures,
  /** Of all samples together, stalls included. */
  pooledMs: figures,
  serviceMs: figures,
  ratioToReference: z.partialRecord(z.enum(LATENCY_KEYS as [LatencyKey, ...LatencyKey[]]), estimateSchema),
  verdicts: z.partialRecord(z.enum(LATENCY_KEYS as [LatencyKey, ...LatencyKey[]]), verdictSchema),
  cpuUsPerRequest: z.object({ client: cpuCostSchema, server: cpuCostSchema }).nullable(),
  /** CPU per request of both sides as a ratio to the reference in the same rounds; absent for the reference. */
  cpuRatioToReference: estimateSchema.optional(),
  cpuVerdict: verdictSchema.optional(),
  /** Standard deviations of ln of the p99 ratio (of the reference: of its p99): between restarts, and between rounds within them. */
  variance: z.object({ betweenRestarts: z.number().nullable(), betweenRounds: z.number().nullable() }),
  /** What determined the tail: time-outs, drops, stalls, steal. */
  tail: z.array(findingSchema),
  selfCheck: z.object({ valid: z.boolean(), findings: z.array(findingGroupSchema) }),
  /** Latency by percentile: quantile 0 to 1 and milliseconds, ascending; ends where the samples end. */
  curve: z.array(z.object({ quantile: z.number(), ms: z.number() })),
});
export type Cell = z.infer<typeof cellSchema>;

/** From cost.json, if present: instructions per request in an emulated machine and their ratio to the reference's. */
const instructionsPerRequestSchema = z.object({
  kernel: z.string(),
  workload: z.string(),
  connections: z.number().int(),
  instructions: instructionsSchema,
  ratio: z.number().nullable(),
});

const networkSummarySchema = z.object({
  name: z.string(),
  /** One line from the catalog: backend and attachment. */
  what: z.string(),
  status: z.enum(['measured', 'unsupported', 'failed']),
  /** Why it was not measured; null when it was. */
  finding: findingSchema.nullable(),
  /** Median over the slices. */
  setup: z
    .object({
      steps: z.number().int(),
      ms: z.number(),
      tearDownMs: z.number().nullable(),
      sourceAddress: z.string().optional(),
    })
    .nullable(),
  /** Of its plan, for more hosts than two. */
  setupSteps: setupStepsSchema.optional(),
  /** The highest sustained rate of the first workload that has one; null when none was requested or seen. */
  maxRps: estimateSchema.nullable(),
  /** The same by workload, when the study searched for it. Without `high` the load generator is the limit. */
  maxRpsByWorkload: z.record(z.string(), estimateSchema).optional(),
  instructions: z.array(instructionsPerRequestSchema).optional(),
  cells: z.array(cellSchema),
});
export type NetworkSummary = z.infer<typeof networkSummarySchema>;

/** The network that the study suggests, for an objective, with findings as reasons. */
const decisionSchema = z.object({
  network: z.string(),
  /** `p99@30%–50%`: the lowest p99 at these shares of the reference's maximum. */
  objective: z.string(),
  ratioToReference: estimateSchema,
  reasons: z.array(findingSchema),
  flipsIf: z.array(findingSchema),
  /** The other candidates, best first, with the ratio of their p99 to that of the network. */
  runnersUp: z.array(
    z.object({
      network: z.string(),
      sustained: z.boolean(),
      ratioToBest: estimateSchema,
      verdict: verdictSchema,
      /** Of the p50, which decides where the p99 does not. */
      medianRatioToBest: estimateSchema,
      /** True when neither is worse than that of the network. */
      tie: z.boolean(),
    }),
  ),
});
export type Decision = z.infer<typeof decisionSchema>;

export const summarySchema = z.object({
  schema: z.literal(2),
  study: z.string(),
  testbed: z.string(),
  /** The version of IP between the containers; absent for 4. */
  ip: z.literal(6).optional(),
  startedAt: z.string(),
  reference: z.string(),
  restarts: z.number().int(),
  /** Networks whose ratio lies within this margin are equivalent; a share: 0.05. */
  margin: z.number().default(0.05),
  /** The same from p99. */
  tailMargin: z.number().default(0.2),
  /** True when every planned slice was run; false after an interrupt. */
  complete: z.boolean(),
  plannedSlices: z.number().int(),
  slices: z.number().int(),
  wallS: z.number(),
  /** Share of the wall time in recorded windows, 0 to 1. */
  measuringShare: z.number(),
  /** Shown at the top of every report. */
  warnings: z.array(findingSchema),
  /** The latency that a sustained rate must also keep: `p99<2ms`. */
  objective: z.string().optional(),
  /** Files and lines of the results directory that were refused. */
  refused: z.array(findingSchema).default([]),
  /** What the results of this testbed do not show. */
  limitations: z.array(findingSchema),
  /** The external generator, if one was used. */
  generator: externalGeneratorSchema.optional(),
  /** Null without a contender that can be compared. */
  decision: decisionSchema.nullable(),
  networks: z.array(networkSummarySchema),
  control: z.object({
    aa: z.partialRecord(z.enum(LATENCY_KEYS as [LatencyKey, ...LatencyKey[]]), estimateSchema),
    trusted: z.boolean().nullable(),
  }),
  environment: z.record(
    z.string(),
    z.record(z.string(), z.union([z.string(), z.number(), z.boolean(), z.null()])),
  ),
});
export type Summary = z.infer<typeof summarySchema>;
