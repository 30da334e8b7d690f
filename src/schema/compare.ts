import * as z from 'zod';
import { findingSchema } from './finding.js';
import { estimateSchema, LATENCY_KEYS, verdictSchema, type LatencyKey } from './summary.js';

const scalar = z.union([z.string(), z.number(), z.boolean(), z.null()]);

/** A run as it is named in a comparison. */
const comparedRunSchema = z.object({
  /** As it was named on the command line; absent where the run was not read from one. */
  directory: z.string().optional(),
  study: z.string(),
  testbed: z.string(),
  startedAt: z.string(),
  version: z.string(),
  restarts: z.number().int(),
  /** Files and lines of the directory that could not be read, and count in nothing. */
  refused: z.array(findingSchema).default([]),
});
export type ComparedRun = z.infer<typeof comparedRunSchema>;

/** What is not the same in the two runs: a fact of a host, or a setting of the study (`host` null). */
const changeSchema = z.object({ host: z.string().nullable(), name: z.string(), a: scalar, b: scalar });
export type Change = z.infer<typeof changeSchema>;

/**
 * The ratio of b to a, with a verdict on b. No verdict where the ratio is none, on the greatest sample, and on a direct
 * ratio of two loads that differ.
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
  /** The figures themselves: what the machines became faster or slower by is in it. */
  direct: judgedRatioSchema,
  /** The figures' ratios to the reference in their own restarts, which is what the network alone became; null for the reference. */
  byReference: judgedRatioSchema.nullable(),
  /**
   * Worse by more than the margin, beyond chance (one family over all figures): by the reference where both runs have it,
   * else directly.
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

/** The searched maximum of a network, requests per second: here more is better, and `worse` is less. */
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

/** What `barewire compare A B` says: b, the later run, against a. */
export const comparisonSchema = z.object({
  schema: z.literal(2),
  a: comparedRunSchema,
  b: comparedRunSchema,
  margin: z.number(),
  /** Said first: what stands in the way of comparing. */
  warnings: z.array(findingSchema),
  environment: z.array(changeSchema),
  spec: z.array(changeSchema),
  cells: z.array(comparedCellSchema),
  /** Of networks whose maximum both runs searched for, by the same objective. */
  maxima: z.array(comparedMaximumSchema).default([]),
  onlyA: z.array(loneCell),
  onlyB: z.array(loneCell),
  /** True when any figure is a regression. */
  regression: z.boolean(),
});
export type Comparison = z.infer<typeof comparisonSchema>;
