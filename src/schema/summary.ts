import * as z from 'zod';
import { instructionsSchema } from './cost.js';
import { externalGeneratorSchema } from './external.js';
import { cpuCostSchema } from './slice.js';

/** The quantiles of every table and file, by their published names; `max` is the greatest sample. */
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

/** A figure with what it rests on, or none with the reason: never a bare number. `low` and `high` bound 95 %. */
export const estimateSchema = z.union([
  z.object({ value: z.number(), low: z.number().nullable(), high: z.number().nullable() }),
  z.object({ value: z.null(), why: z.string() }),
]);
export type Estimate = z.infer<typeof estimateSchema>;

const figures = z.record(z.enum(LATENCY_KEYS as [LatencyKey, ...LatencyKey[]]), estimateSchema);
export type LatencyEstimates = z.infer<typeof figures>;

/** A file of a results directory, or a line of one, that was not taken, and why. */
export const refusalSchema = z.object({ file: z.string(), why: z.string() });
export type Refusal = z.infer<typeof refusalSchema>;

/** Against the reference, from paired ratios; `undecided` says how many restarts in all would decide it. */
export const verdictSchema = z.object({
  verdict: z.enum(['better', 'worse', 'equivalent', 'undecided']),
  restartsNeeded: z.number().int().nullable(),
});
export type Verdict = z.infer<typeof verdictSchema>;

export const cellSchema = z.object({
  workload: z.string(),
  rateRps: z.number(),
  rateOfMax: z.number().nullable(),
  achievedRps: z.number(),
  /** Valid slices; invalid and failed ones are counted beside it and not averaged in. */
  slices: z.number().int(),
  invalidSlices: z.number().int(),
  failedSlices: z.number().int(),
  samples: z.number().int(),
  latencyMs: figures,
  serviceMs: figures,
  ratioToReference: z.partialRecord(z.enum(LATENCY_KEYS as [LatencyKey, ...LatencyKey[]]), estimateSchema),
  verdicts: z.partialRecord(z.enum(LATENCY_KEYS as [LatencyKey, ...LatencyKey[]]), verdictSchema),
  cpuUsPerRequest: z.object({ client: cpuCostSchema, server: cpuCostSchema }).nullable(),
  /** CPU per request, both sides together, against the reference's in the same restarts; absent for the reference. */
  cpuRatioToReference: estimateSchema.optional(),
  /** What decided the tail, in words: time-outs, drops, stalls, steal. */
  tail: z.array(z.string()),
  selfCheck: z.object({ valid: z.boolean(), reasons: z.array(z.string()) }),
  /** Points of the latency-by-percentile plot, ascending: quantile 0…1 and milliseconds; ends where the samples end. */
  curve: z.array(z.object({ quantile: z.number(), ms: z.number() })),
});
export type Cell = z.infer<typeof cellSchema>;

/** Of cost.json, where that is beside the slices: instructions a request in an emulated machine, and their ratio to the reference's. */
export const instructionsPerRequestSchema = z.object({
  kernel: z.string(),
  workload: z.string(),
  connections: z.number().int(),
  instructions: instructionsSchema,
  ratio: z.number().nullable(),
});
export type InstructionsPerRequest = z.infer<typeof instructionsPerRequestSchema>;

export const networkSummarySchema = z.object({
  name: z.string(),
  /** One line from the catalog: underlay × attachment. */
  what: z.string(),
  status: z.enum(['measured', 'unsupported', 'failed']),
  reason: z.string().nullable(),
  /** Median over the slices. */
  setup: z.object({ steps: z.number().int(), ms: z.number(), tearDownMs: z.number() }).nullable(),
  /** The highest rate that held, of the first workload that has one; null where none was asked for and none showed. */
  maxRps: estimateSchema.nullable(),
  /** The same of each workload, where the study searched for it. No `high`: the load generator is the limit. */
  maxRpsByWorkload: z.record(z.string(), estimateSchema).optional(),
  pathLengths: z.array(instructionsPerRequestSchema).optional(),
  cells: z.array(cellSchema),
});
export type NetworkSummary = z.infer<typeof networkSummarySchema>;

export const summarySchema = z.object({
  schema: z.literal(1),
  study: z.string(),
  testbed: z.string(),
  /** The version of IP between the containers; absent for 4. */
  ip: z.literal(6).optional(),
  startedAt: z.string(),
  reference: z.string(),
  restarts: z.number().int(),
  /** Inside it two networks count as equivalent, a share: 0.05. */
  margin: z.number().default(0.05),
  /** True when every planned slice is in; false after an interrupt. */
  complete: z.boolean(),
  plannedSlices: z.number().int(),
  slices: z.number().int(),
  wallS: z.number(),
  /** Share of the wall time in recorded windows, 0 to 1. */
  measuringShare: z.number(),
  /** Said at the top of every report: what makes this study one not to be trusted. */
  warnings: z.array(z.string()),
  /** What a rate had to keep, beside 99 % of it being answered, to count as held: `p99<2ms`. */
  objective: z.string().optional(),
  /** What of the results directory could not be read, and counts in nothing. */
  refused: z.array(refusalSchema).default([]),
  /** What this testbed cannot tell. */
  limitations: z.array(z.string()),
  /** The tool that made the load in the place of Barewire's own generator; absent where that made it. */
  generator: externalGeneratorSchema.optional(),
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
