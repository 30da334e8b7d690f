import * as z from 'zod';
import { findingSchema } from './finding.js';
import { loadResultSchema, externalResultSchema } from './load.js';
/** CPU microseconds per response, of all CPUs of the side. */
export const cpuCostSchema = z.object({ user: z.number(), system: z.number(), softirq: z.number() });
export type CpuCost = z.infer<typeof cpuCostSchema>;

/**
 * `reference` and `control` are two separate set-ups of the network `host` in a restart, each with its own server and
 * connections: their ratio is the A/A control. `search` belongs to no cell: its rate was chosen to find the network's
 * maximum, and its restart is counted on after the restarts.
 */
const ROLES = ['contender', 'reference', 'control', 'search'] as const;

/** A planned slice. The id contains restart, round and order, and is unique in a results directory. */
const plannedSliceSchema = z.object({
  id: z.string(),
  restart: z.number().int(),
  round: z.number().int(),
  order: z.number().int(),
  role: z.enum(ROLES),
  network: z.string(),
  workload: z.string(),
  rateRps: z.number(),
  /** Share of the reference's maximum, null for an absolute rate. */
  rateOfMax: z.number().nullable(),
  /** 2 or 3 for a slice that is measured again because its self-check failed; absent the first time. */
  attempt: z.number().int().optional(),
});
export type PlannedSlice = z.infer<typeof plannedSliceSchema>;

/** Steps to set a network up, on all hosts together: for that many hosts, and for one host more than ten. From its plan. */
export const setupStepsSchema = z.object({
  hosts2: z.number(),
  hosts10: z.number(),
  hosts100: z.number(),
  oneMore: z.number(),
});
export type SetupSteps = z.infer<typeof setupStepsSchema>;

/** The devices of each host that carried the packets of a network, from the container outwards. */
export const observedPathSchema = z.object({
  client: z.array(z.string()).readonly(),
  server: z.array(z.string()).readonly(),
});

const setupCostSchema = z.object({
  /** Steps on both hosts together. */
  steps: z.number().int(),
  setUpMs: z.number(),
  /** Of the restart before; null in the first. */
  tearDownMs: z.number().nullable(),
  /** The address from which the server received a request: `own` is that of the client's container, without NAT. */
  sourceAddress: z.string().optional(),
  /** The devices of each host that carried the packets, from the container outwards; of a given network. */
  path: observedPathSchema.optional(),
});

const cpuSecondsSchema = z.object({
  user: z.number(),
  system: z.number(),
  softirq: z.number(),
  irq: z.number(),
  steal: z.number(),
  idle: z.number(),
});
/** The shares of one CPU's time by kind, 0 to 1. */
export const cpuLoadSchema = cpuSecondsSchema.extend({ cpu: z.number().int() });
export type CpuLoad = z.infer<typeof cpuLoadSchema>;

/** Counters of the slice, after minus before, by the kernel's names. */
const countersSchema = z.record(z.string(), z.number());

const sideMetricsSchema = z.object({
  /** Null where the readings do not cover the window: a starved host reads late. */
  cpuUsPerRequest: cpuCostSchema.nullable(),
  /** CPU seconds within the window. */
  cpuSeconds: cpuSecondsSchema,
  /** The same of each CPU of the side. */
  cpuSecondsByCpu: z
    .array(cpuSecondsSchema.extend({ cpu: z.number().int() }))
    .readonly()
    .optional(),
  /** CPU seconds of the process only (nginx with its workers, or the generator). */
  processCpuSeconds: z.object({ user: z.number(), system: z.number() }),
  /**
   * `Tcp.RetransSegs`, `TcpExt.TCPTimeouts`, `softnet.dropped`, `eth0.tx_dropped`, …; only those that
   * changed.
   */
  counters: countersSchema,
  /** Share of the side's CPU time in use, for each second. */
  busyEachSecond: z.array(z.number()).readonly(),
});
export type SideMetrics = z.infer<typeof sideMetricsSchema>;

const HISTOGRAMS = { response: true, service: true } as const;
/** The second is of a slice with an external generator. */
const sliceLoadSchema = z.union([loadResultSchema.omit(HISTOGRAMS), externalResultSchema.omit(HISTOGRAMS)]);

const outcome = z.discriminatedUnion('status', [
  z.object({
    status: z.literal('measured'),
    /** False when the generator self-check failed: the slice is shown but part of no estimate. */
    valid: z.boolean(),
    load: sliceLoadSchema,
    metrics: z.object({ client: sideMetricsSchema, server: sideMetricsSchema }),
  }),
  z.object({ status: z.literal('failed'), finding: findingSchema }),
]);

/** One line of slices.jsonl. The histograms are in latency.hlog beside it. */
export const sliceRecordSchema = z
  .object({
    schema: z.literal(2),
    startedAt: z.string(),
    /** The wall time of the whole slice and of its recorded window. */
    wallMs: z.number(),
    measuredMs: z.number(),
    /** What setting up the network took; on the first slice of the network in a restart only. */
    setup: setupCostSchema.nullable(),
  })
  .and(plannedSliceSchema)
  .and(outcome);
export type SliceRecord = z.infer<typeof sliceRecordSchema>;
export type MeasuredSlice = Extract<SliceRecord, { status: 'measured' }>;
