import * as z from 'zod';
import { instructionsSchema } from './cost.js';
import { caveatSchema, findingGroupSchema, findingSchema } from './finding.js';
import { externalGeneratorSchema } from './load.js';
import { networkFactSchema } from './network-fact.js';
import { objectiveSchema } from './objective.js';
import { latencyKeySchema } from './quantiles.js';
import { articleSchema } from './rate.js';
import { studyTuningSchema, tunedHostSchema } from './tuning.js';
import { cpuCostSchema, cpuLoadSchema, observedPathSchema, setupStepsSchema } from './slice.js';

/** A value with its 95 % interval, or no value with the finding that explains it. */
export const estimateSchema = z.union([
  z.object({ value: z.number(), low: z.number().nullable(), high: z.number().nullable() }),
  z.object({ value: z.null(), finding: findingSchema }),
]);
export type Estimate = z.infer<typeof estimateSchema>;

const figures = z.record(latencyKeySchema, estimateSchema);
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
  ratioToReference: z.partialRecord(latencyKeySchema, estimateSchema),
  verdicts: z.partialRecord(latencyKeySchema, verdictSchema),
  cpuUsPerRequest: z.object({ client: cpuCostSchema, server: cpuCostSchema }).nullable(),
  /** CPU per request of both sides as a ratio to the reference in the same rounds; absent for the reference. */
  cpuRatioToReference: estimateSchema.optional(),
  cpuVerdict: verdictSchema.optional(),
  /** Standard deviations of ln of the p99 ratio (of the reference: of its p99): between restarts, and between rounds within them. */
  variance: z.object({ betweenRestarts: z.number().nullable(), betweenRounds: z.number().nullable() }),
  /** What limits the rate: the link, losses, softirq or a CPU, or nothing yet; null without a valid slice. */
  limit: findingSchema.nullable(),
  /** Each CPU of a side, pooled over the slices. */
  cpuLoad: z.object({ client: z.array(cpuLoadSchema), server: z.array(cpuLoadSchema) }),
  /** What determined the tail: time-outs, drops, stalls, steal. */
  tail: z.array(findingSchema),
  selfCheck: z.object({ valid: z.boolean(), findings: z.array(findingGroupSchema) }),
  /** Latency by percentile: quantile 0 to 1 and milliseconds, ascending; ends where the samples end. */
  curve: z.array(z.object({ quantile: z.number(), ms: z.number() })),
});
export type Cell = z.infer<typeof cellSchema>;

/** All arms with a knob over all without it, at one workload and rate. */
const mainEffectSchema = cellSchema
  .pick({
    workload: true,
    rateRps: true,
    rateOfMax: true,
    ratioToReference: true,
    verdicts: true,
    cpuRatioToReference: true,
    cpuVerdict: true,
  })
  .extend({ arm: z.string() });
export type MainEffect = z.infer<typeof mainEffectSchema>;

/** The maximum with a knob over that without it, in requests per second: `better` is more. */
const knobMaximumSchema = z.object({
  /** As in the effects of the ablation. */
  arm: z.string(),
  workload: z.string(),
  ratio: estimateSchema,
  verdict: verdictSchema.nullable(),
});
export type KnobMaximum = z.infer<typeof knobMaximumSchema>;

/** From cost.json, if present: instructions per request in an emulated machine and their ratio to the reference's. */
const instructionsPerRequestSchema = z.object({
  kernel: z.string(),
  workload: z.string(),
  connections: z.number().int(),
  instructions: instructionsSchema,
  /** Of the kernel, by group of functions. */
  groups: z.array(z.object({ name: z.string(), instructions: z.number() })).optional(),
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
      /** Of a given network, in the last restart. */
      path: observedPathSchema.optional(),
    })
    .nullable(),
  /** Of its plan, for more hosts than two. */
  setupSteps: setupStepsSchema.optional(),
  /** What it needs, forbids and offers; absent for a network that the testbed has already. */
  facts: z.array(networkFactSchema).readonly().optional(),
  /** What its figures do not show on any testbed. */
  caveat: caveatSchema.optional(),
  /** The highest sustained rate of the first workload that has one; null when none was requested or seen. */
  maxRps: estimateSchema.nullable(),
  /** The same by workload, when the study searched for it. Without `high` the load generator is the limit. */
  maxRpsByWorkload: z.record(z.string(), estimateSchema).optional(),
  instructions: z.array(instructionsPerRequestSchema).optional(),
  /** The lowest rate of the first workload with twice the p50 of its lowest rate, or that is not sustained; null without one. */
  kneeRps: z.number().nullable(),
  cells: z.array(cellSchema),
});
export type NetworkSummary = z.infer<typeof networkSummarySchema>;

/** The network that the study suggests, for an objective, with findings as reasons. */
const decisionSchema = z.object({
  network: z.string(),
  /** As `--objective` takes it; `p99` by default. */
  objective: z.string(),
  criteria: objectiveSchema,
  /** Of criteria without a rate: `30%–50%` of the reference's maximum, or `all rates`. */
  rates: z.string(),
  /** Of the criteria, as a weighted geometric mean. Below 1 is preferable to the reference, also of a maximum. */
  ratioToReference: estimateSchema,
  reasons: z.array(findingSchema),
  flipsIf: z.array(findingSchema),
  /** The other candidates, best first, with their ratio to the network by the same criteria. */
  runnersUp: z.array(
    z.object({
      network: z.string(),
      sustained: z.boolean(),
      ratioToBest: estimateSchema,
      verdict: verdictSchema,
      /** Of the p50, which decides where the p99 does not and no objective is given. */
      medianRatioToBest: estimateSchema.nullable(),
      /** True when neither is worse than that of the network. */
      tie: z.boolean(),
    }),
  ),
});
export type Decision = z.infer<typeof decisionSchema>;

/** What a container adds at one workload and rate, as ratios: 1 is nothing. */
const containerCostSchema = z.object({
  workload: z.string(),
  rateRps: z.number(),
  rateOfMax: z.number().nullable(),
  latency: z.partialRecord(latencyKeySchema, estimateSchema),
  /** CPU time per request of both sides. */
  cpu: estimateSchema.nullable(),
});

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
  /** As the study was given it: `p99@50%,max:p99<2ms*2`. */
  objective: z.string().optional(),
  /** Of a study with the rates of the article of 2015. */
  article: articleSchema.optional(),
  /** The latency that a sustained rate must also keep: `p99<2ms`. */
  maximumLimit: z.string().optional(),
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
    aa: z.partialRecord(latencyKeySchema, estimateSchema),
    trusted: z.boolean().nullable(),
  }),
  /** Of a study with containers of Docker: the reference in a container over the same programs without one. */
  container: z.array(containerCostSchema).readonly().optional(),
  /** Of a study that tuned its hosts. */
  tuning: z
    .object({
      profile: z.string(),
      ablation: studyTuningSchema.shape.ablation,
      hosts: z.array(tunedHostSchema),
      /** Of a design in which each arm has about half of the knobs. */
      mainEffects: z.array(mainEffectSchema).optional(),
      /** Of an ablation that searched for the maxima. */
      maxima: z.array(knobMaximumSchema).optional(),
    })
    .optional(),
  environment: z.record(
    z.string(),
    z.record(z.string(), z.union([z.string(), z.number(), z.boolean(), z.null()])),
  ),
});
export type Summary = z.infer<typeof summarySchema>;
