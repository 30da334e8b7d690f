import * as z from 'zod';
import { certificateSchema, loadResultSchema } from './load.js';
import { peerResultSchema } from './peer.js';

/** CPU microseconds for one answered request, of all CPUs that the side was given. */
export const cpuCostSchema = z.object({ user: z.number(), system: z.number(), softirq: z.number() });
export type CpuCost = z.infer<typeof cpuCostSchema>;

/**
 * `reference` and `control` are the two runs of the network `host` in a block: their ratio is the A/A control. `search` is of no
 * cell, and its block is a round of the search, counted on after the blocks: its rate was chosen to find the network's maximum.
 */
export const ROLES = ['contender', 'reference', 'control', 'search'] as const;

/** A trial as it was planned; the id says block and place in it, and is never used twice in a results directory. */
export const plannedTrialSchema = z.object({
  id: z.string(),
  block: z.number().int(),
  order: z.number().int(),
  role: z.enum(ROLES),
  network: z.string(),
  workload: z.string(),
  rateRps: z.number(),
  /** Share of the reference's maximum, null for an absolute rate. */
  rateOfMax: z.number().nullable(),
  /** 2 or 3 where it is measured again because the generator did not vouch for it; absent the first time. */
  attempt: z.number().int().optional(),
});
export type PlannedTrial = z.infer<typeof plannedTrialSchema>;

export const setupCostSchema = z.object({
  /** Changes on both hosts together: what a person would have to type. */
  steps: z.number().int(),
  upMs: z.number(),
  downMs: z.number(),
});

/** Counters of the trial, after minus before, by the kernel's own names. */
export const countersSchema = z.record(z.string(), z.number());

export const sideMetricsSchema = z.object({
  cpuUsPerRequest: cpuCostSchema,
  /** CPU seconds in the window. */
  cpuSeconds: z.object({
    user: z.number(),
    system: z.number(),
    softirq: z.number(),
    irq: z.number(),
    steal: z.number(),
    idle: z.number(),
  }),
  /** CPU seconds of the process alone (nginx with its workers, or the generator). */
  processCpuSeconds: z.object({ user: z.number(), system: z.number() }),
  /** `Tcp.RetransSegs`, `TcpExt.TCPTimeouts`, `softnet.dropped`, `eth0.tx_dropped`, …; only what moved. */
  counters: countersSchema,
  /** Share of the side's CPU time in use, each second. */
  busyEachSecond: z.array(z.number()).readonly(),
});
export type SideMetrics = z.infer<typeof sideMetricsSchema>;

const HISTOGRAMS = { response: true, service: true } as const;
/** The second is of a trial that another tool loaded. */
export const trialLoadSchema = z.union([
  loadResultSchema.omit(HISTOGRAMS),
  peerResultSchema.omit(HISTOGRAMS),
]);

const outcome = z.discriminatedUnion('status', [
  z.object({
    status: z.literal('measured'),
    /** False when the generator cannot vouch for it: shown, and not averaged in. */
    valid: z.boolean(),
    load: trialLoadSchema,
    metrics: z.object({ client: sideMetricsSchema, server: sideMetricsSchema }),
  }),
  z.object({ status: z.literal('failed'), code: z.string(), reason: z.string() }),
]);

/** One line of trials.jsonl. The histograms are files beside it: `histograms/ID.response.hdr`, `histograms/ID.service.hdr`. */
export const trialRecordSchema = z
  .object({
    schema: z.literal(1),
    startedAt: z.string(),
    /** The wall time of the whole trial and of its recorded window. */
    wallMs: z.number(),
    measuredMs: z.number(),
    setup: setupCostSchema.nullable(),
  })
  .and(plannedTrialSchema)
  .and(outcome);
export type TrialRecord = z.infer<typeof trialRecordSchema>;
export type MeasuredTrial = Extract<TrialRecord, { status: 'measured' }>;

export { certificateSchema };
