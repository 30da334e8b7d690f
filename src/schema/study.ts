import * as z from 'zod';
import { caveatSchema, findingSchema } from './finding.js';
import { networkFactSchema } from './network-fact.js';
import { objectiveSchema } from './objective.js';
import { latencyKeySchema } from './quantiles.js';
import { articleSchema, rateSchema } from './rate.js';
import { setupStepsSchema } from './slice.js';
import { studyTuningSchema, tunedHostSchema } from './tuning.js';
import { GENERATORS, externalGeneratorSchema } from './load.js';

/** The network that ratios are against where the study names no other: the host's own stack. */
export const REFERENCE = 'host';
/** The reference without containers, in a study with Docker: their ratio is what a container adds. */
export const BARE = 'host-bare';

export const WORKLOADS = ['350B', '4KB'] as const;
export type WorkloadName = (typeof WORKLOADS)[number];

/** A kind of testbed with its options; `testbed/registry.ts` has the kinds and the schemas of their options. */
const testbedChoiceSchema = z.object({
  kind: z.string(),
  options: z.unknown().optional(),
  /** Containers of Docker with these images; absent: bare namespaces. */
  docker: z.object({ imageNode: z.string(), imageNginx: z.string() }).optional(),
});
export type TestbedChoice = z.infer<typeof testbedChoiceSchema>;

/** A resolved spec: every default filled in, every unit resolved. */
export const resolvedStudySchema = z.object({
  name: z.string(),
  testbed: testbedChoiceSchema,
  /** The version of IP between the containers. */
  ip: z.union([z.literal(4), z.literal(6)]).default(4),
  networks: z.array(z.string()).readonly(),
  /** The network that ratios are against. */
  reference: z.string().default(REFERENCE),
  /** Networks whose ratios are against another one: by name. */
  references: z.record(z.string(), z.string()).default({}),
  workloads: z.array(z.enum(WORKLOADS)).readonly(),
  rates: z.partialRecord(z.enum(WORKLOADS), z.array(rateSchema).readonly()),
  /** Search the highest rate of each network after the restarts; an objective with `max` implies it. */
  maximum: z.boolean().default(false),
  objective: objectiveSchema.optional(),
  restarts: z.number().int().positive(),
  /** Rounds in each restart. */
  rounds: z.number().int().positive(),
  /** The time for the whole study; the rounds follow from it when the networks are known. Null with given rounds. */
  timeMs: z.number().positive().nullable(),
  /** The half width of the intervals of every comparison, as a share, from which the study stops before its time is over. */
  precision: z.object({ latency: latencyKeySchema, share: z.number().positive() }).optional(),
  /** The recorded window of each slice; given, or derived from the time like the rounds. */
  durationMs: z.number().positive(),
  sliceGiven: z.boolean(),
  warmupMs: z.number().nonnegative(),
  timeoutMs: z.number().positive(),
  /** Settings of the hosts; absent: they stay as they are. */
  tuning: studyTuningSchema.optional(),
  /** Of the connections of every planned network; `unchanged`: that of its kernel. */
  congestionControl: z.string().default('unchanged'),
  connections: z.number().int().positive(),
  /** The most contenders that are set up at once, by the memory that their connections need; null for all. */
  together: z.number().int().positive().nullable().default(null),
  /** Networks that are set up alone with the reference on hosts that others share, because they moved it in the first restart. */
  apart: z.array(z.string()).readonly().default([]),
  generator: z.enum(GENERATORS).default('barewire'),
  arrival: z.enum(['constant', 'poisson']),
  /** The report shows the figures of the article of 2015 beside these; `scaled`: its rates as shares of the maximum. */
  article: articleSchema.optional(),
  seed: z.number().int(),
  /** The margins within which two networks are equivalent, as shares: up to p95 and for CPU time, and from p99. */
  margin: z.number().positive(),
  tailMargin: z.number().positive(),
  wire: z.object({ mtu: z.number().int(), rateMbps: z.number().positive().nullable() }),
});
export type ResolvedStudy = z.infer<typeof resolvedStudySchema>;

/** Which networks ratios are against. */
export type References = Pick<ResolvedStudy, 'reference' | 'references'>;

/** The reference of a network; the network itself for a reference. */
export const referenceOf = ({ reference, references }: References, network: string): string =>
  references[network] ?? reference;

const scalar = z.union([z.string(), z.number(), z.boolean(), z.null()]);
/** Facts of a host by name: kernel, CPUs, governor, clock source, … */
export const environmentSchema = z.record(z.string(), scalar);
export type Environment = z.infer<typeof environmentSchema>;

const networkStatusSchema = z.object({
  name: z.string(),
  what: z.string(),
  /** `unknown`: the probe was inconclusive; the network is tried. */
  support: z.enum(['yes', 'no', 'unknown']),
  /** Why it cannot run, or could not be probed; null when it can. */
  finding: findingSchema.nullable(),
  /** Absent for a network that the testbed has already. */
  setupSteps: setupStepsSchema.optional(),
  facts: z.array(networkFactSchema).readonly().optional(),
  /** What its figures do not show on any testbed. */
  caveat: caveatSchema.optional(),
});
export type NetworkStatus = z.infer<typeof networkStatusSchema>;

/** study.json: what a resume needs to plan the same slices, and what a report says about the testbed. */
export const studyRecordSchema = z.object({
  schema: z.literal(2),
  version: z.string(),
  startedAt: z.string(),
  spec: resolvedStudySchema,
  networks: z.array(networkStatusSchema),
  /**
   * The reference's closed-loop maximum by workload, requests per second; null where nothing depends on it.
   */
  referenceMaxRps: z.partialRecord(z.enum(WORKLOADS), z.number().nullable()),
  /** The last restart, of a study that reached its precision before its time was over. */
  stoppedAfter: z.number().int().optional(),
  limitations: z.array(findingSchema),
  /** The external generator, if one was used. */
  generator: externalGeneratorSchema.optional(),
  /** What tuning set, compared after the load. */
  tuned: z.array(tunedHostSchema).optional(),
  environment: z.record(z.string(), environmentSchema),
});
export type StudyRecord = z.infer<typeof studyRecordSchema>;
