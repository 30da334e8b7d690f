import * as z from 'zod';
import { findingSchema } from './finding.js';

/** What is requested, and of whom. */
const targetSchema = z.object({
  /** IPv4, or IPv6 with the zone of a link-local address: `fe80::1%eth0`. */
  address: z.string(),
  port: z.number().int(),
  path: z.string(),
  /** The header Host: a name or an address, with a port or without. */
  host: z.string(),
  /** A plain GET when absent. */
  request: z
    .object({
      method: z.string(),
      /** Lines of the header, without Host and Content-Length. */
      headers: z.array(z.string()).readonly(),
      /** Base64. */
      body: z.string().optional(),
    })
    .optional(),
});

/** One load, as a generator process receives it. */
export const loadPlanSchema = z.object({
  target: targetSchema,
  /** Source addresses of the connections, in turn; the kernel chooses when there are none. */
  sources: z.array(z.string()).readonly().optional(),
  /** The expected response; with a null body length any is right. */
  expect: z.object({ status: z.number().int(), bodyBytes: z.number().int().nullable() }),
  /** Open: requests are sent at `rateRps` regardless of responses. Closed: each connection sends when it has a response. */
  mode: z.discriminatedUnion('kind', [
    z.object({
      kind: z.literal('open'),
      rateRps: z.number().positive(),
      arrival: z.enum(['constant', 'poisson']),
    }),
    z.object({ kind: z.literal('closed') }),
  ]),
  connections: z.number().int().positive(),
  threads: z.number().int().positive(),
  /** The CPUs that threads are pinned to, in turn; with none the scheduler chooses. */
  cpus: z.array(z.number().int()).readonly(),
  /** Load before the recorded window; its requests are not recorded. */
  warmupMs: z.number().nonnegative(),
  /** The recorded window: requests whose intended time lies in it. */
  durationMs: z.number().positive(),
  /** A request without a response this long after its send has timed out; also the wait after the window. */
  timeoutMs: z.number().positive(),
  /** Seeds the connections' phases and the Poisson gaps. */
  seed: z.number().int(),
  /** Interval of interim reports within the window; none by default. */
  readingMs: z.number().positive().optional(),
  /** The host is emulated: its times are labelled, not compared, and do not invalidate a slice. */
  emulated: z.boolean().optional(),
});
export type LoadPlan = z.infer<typeof loadPlanSchema>;

/** Kinds of failed requests. Each ends a request without a latency; none ends the run. */
export const ERROR_KINDS = [
  'connect',
  'reset',
  'closed',
  'timeout',
  'status',
  'length',
  'malformed',
] as const;
export type ErrorKind = (typeof ERROR_KINDS)[number];

const spread = z.object({ p50: z.number(), p99: z.number(), max: z.number() });

/** The generator's report on its own behaviour. Lateness and lag in microseconds. */
const selfCheckSchema = z.object({
  valid: z.boolean(),
  /** Why the slice is invalid; empty when it is valid. */
  findings: z.array(findingSchema).readonly(),
  offeredRps: z.number().nullable(),
  achievedRps: z.number(),
  /** From the intended time to the send, of every request. */
  sendLatenessUs: spread,
  /** From when a request was due and its connection free to its send: the generator's own delay. */
  schedulingDelayUs: spread.optional(),
  /** Time between two iterations of the event loop beyond the requested wait. */
  loopLagUs: spread,
  /** Times that a generator thread did not run for longer than the stall limit although it was not asleep. */
  stalls: z
    .object({
      count: z.number(),
      totalMs: z.number(),
      maxMs: z.number(),
      /** Share (0 to 1) of the responses whose response time is a stall by half or more. */
      requestShare: z.number(),
    })
    .optional(),
  /** How long the threads were runnable while another task had their CPU. */
  runDelayMs: z.number().optional(),
  /** Sent later than the late-send limit because the connection still waited for a response. */
  lateSends: z.number(),
  /** Intended within the window but never sent. */
  missedSends: z.number(),
  /** CPU share (0 to 1) of the busiest generator thread, without busy polling. */
  cpuShare: z.number(),
  connectionsLost: z.number(),
});
export type SelfCheck = z.infer<typeof selfCheckSchema>;

/** What was exchanged for the requests of the window, and with which connections. */
const trafficSchema = z.object({
  /** Complete responses by status. */
  statuses: z.record(z.string(), z.number()),
  /** On the connections, headers included. */
  sentBytes: z.number(),
  receivedBytes: z.number(),
  /** Bodies of complete responses: all together, the shortest and the longest; null without a response. */
  bodyBytes: z.number(),
  bodyLength: z.object({ min: z.number(), max: z.number() }).nullable(),
  /** Connections that opened during the whole load, and within the window; those that the server closed after a response. */
  opened: z.number(),
  openedInWindow: z.number(),
  closedAfterResponse: z.number(),
  /** From the start of a connect to its completion, during the whole load; null when no connection opened. */
  connectUs: spread.nullable(),
  /** Connects that failed during the whole load, by error: `ECONNREFUSED`. */
  connectErrors: z.record(z.string(), z.number()),
  /** What was wrong with the first malformed response. */
  malformed: z.string().optional(),
});
export type Traffic = z.infer<typeof trafficSchema>;

/** The responses in a part of the window. */
export const loadReadingSchema = z.object({
  fromMs: z.number(),
  untilMs: z.number(),
  requests: z.number(),
  /** Requests that failed meanwhile. */
  failed: z.number(),
  /** As in the result. */
  response: z.string(),
});
export type LoadReading = z.infer<typeof loadReadingSchema>;

export const loadResultSchema = z.object({
  /** Requests intended within the window that received the expected response. */
  requests: z.number(),
  /** Requests whose intended time lies in the window, with a response or not. */
  intended: z.number(),
  durationS: z.number(),
  achievedRps: z.number(),
  errors: z.record(z.enum(ERROR_KINDS), z.number()),
  /** External generators do not report it. */
  traffic: trafficSchema.optional(),
  cpuSeconds: z.object({ user: z.number(), system: z.number() }),
  /**
   * The part of `cpuSeconds` spent busy polling. It is no request's cost and no sign of saturation, so subtract it from the
   * client's cost. The sum is measured; its split is estimated from the cost of one poll.
   */
  busyPolledSeconds: z.object({ user: z.number(), system: z.number() }).optional(),
  /** HdrHistogram V2, compressed, base64; nanoseconds, from the intended time. */
  response: z.string(),
  /** The same from the actual send. */
  service: z.string(),
  selfCheck: selfCheckSchema,
});
export type LoadResult = z.infer<typeof loadResultSchema>;

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
