import * as z from 'zod';
import { caveatSchema, findingSchema } from './finding.js';
import { LATENCY_KEYS, type LatencyKey } from './quantiles.js';
import { estimateSchema, verdictSchema } from './summary.js';

const scalar = z.union([z.string(), z.number(), z.boolean(), z.null()]);

/** One of the two studies of a comparison. */
const comparedRunSchema = z.object({
  /** The directory on the command line; absent where the study was not read from one. */
  directory: z.string().optional(),
  study: z.string(),
  testbed: z.string(),
  startedAt: z.string(),
  version: z.string(),
  restarts: z.number().int(),
  /** Files and lines of the directory that could not be read; they are in no estimate. */
  refused: z.array(findingSchema).default([]),
});
export type ComparedRun = z.infer<typeof comparedRunSchema>;

/** A difference between the two studies: a fact of a host, or a setting of the study (`host` null). */
const changeSchema = z.object({ host: z.string().nullable(), name: z.string(), a: scalar, b: scalar });
export type Change = z.infer<typeof changeSchema>;

/**
 * The ratio of b to a, with a verdict on b. There is no verdict without a ratio, on the greatest sample, and
 * on a direct ratio of two different loads.
 */
const judgedRatioSchema = z.object({ ratio: estimateSchema, verdict: verdictSchema.nullable() });
export type JudgedRatio = z.infer<typeof judgedRatioSchema>;

/** `cpu` is client and server together, user, system and softirq. */
export type ComparedKey = LatencyKey | 'cpu';
export const COMPARED_KEYS: readonly ComparedKey[] = [...LATENCY_KEYS, 'cpu'];

const comparedFigureSchema = z.object({
  /** Milliseconds, or CPU microseconds per request. */
  a: estimateSchema,
  b: estimateSchema,
  /** The values themselves, which include changes of the machines. */
  direct: judgedRatioSchema,
  /**
   * The ratios to the reference in their own restarts, which show the network alone; null for the reference.
   */
  byReference: judgedRatioSchema.nullable(),
  /**
   * Worse by more than the margin, beyond chance (one family over all values): by the reference where both
   * studies have it, otherwise directly.
   */
  regression: z.boolean(),
});
export type ComparedFigure = z.infer<typeof comparedFigureSchema>;

const comparedCellSchema = z.object({
  network: z.string(),
  workload: z.string(),
  rateOfMax: z.number().nullable(),
  rateRps: z.object({ a: z.number(), b: z.number() }),
  figures: z.record(z.enum(COMPARED_KEYS as [ComparedKey, ...ComparedKey[]]), comparedFigureSchema),
});
export type ComparedCell = z.infer<typeof comparedCellSchema>;

/** The searched maximum of a network, requests per second. More is better, so `worse` is less. */
const comparedMaximumSchema = z.object({
  network: z.string(),
  workload: z.string(),
  ...comparedFigureSchema.shape,
});
export type ComparedMaximum = z.infer<typeof comparedMaximumSchema>;

const loneCell = z.object({
  network: z.string(),
  workload: z.string(),
  rateRps: z.number(),
  rateOfMax: z.number().nullable(),
});

/** What `barewire compare A B` reports: b, the later study, against a. */
export const comparisonSchema = z.object({
  schema: z.literal(2),
  a: comparedRunSchema,
  b: comparedRunSchema,
  margin: z.number(),
  /** Printed first: what prevents a comparison. */
  warnings: z.array(findingSchema),
  environment: z.array(changeSchema),
  spec: z.array(changeSchema),
  cells: z.array(comparedCellSchema),
  /** Of networks whose maximum both studies searched for, with the same objective. */
  maxima: z.array(comparedMaximumSchema).default([]),
  /** What the figures of networks do not show. */
  caveats: z.array(z.object({ name: z.string(), caveat: caveatSchema })).default([]),
  onlyA: z.array(loneCell),
  onlyB: z.array(loneCell),
  /** True when any value is a regression. */
  regression: z.boolean(),
});
export type Comparison = z.infer<typeof comparisonSchema>;
