import * as z from 'zod';

/** What one generator process is asked to do: plain data, sent to it on its standard input. */
export const loadPlanSchema = z.object({
  target: z.object({ address: z.string(), port: z.number().int(), path: z.string(), host: z.string() }),
  /** Addresses of this host that connections leave from, in turn; the kernel's choice when there are none. */
  sources: z.array(z.string()).readonly().optional(),
  /** What each answer must be; a null body length takes the length of the first answer. */
  expect: z.object({ status: z.number().int(), bodyBytes: z.number().int().nullable() }),
  /** Open: requests leave at `rateRps` whatever the answers do. Closed: each connection asks again as it is answered. */
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
  /** The CPUs that the threads are pinned to, in turn; empty leaves them to the scheduler. */
  cpus: z.array(z.number().int()).readonly(),
  /** Load before the recorded window; its requests are counted nowhere. */
  warmupMs: z.number().nonnegative(),
  /** The recorded window: requests whose intended time lies in it. */
  durationMs: z.number().positive(),
  /** A request that is not answered this long after its send is a time-out; also the wait after the window's end. */
  timeoutMs: z.number().positive(),
  /** Seeds the phases and the Poisson gaps. */
  seed: z.number().int(),
  /** So often in the window the generator tells what it has recorded since the last time; by default only at its end. */
  readingMs: z.number().positive().optional(),
  /** The host is emulated: its times are shown as such and compared with nothing, and the generator's own refuse no run. */
  emulated: z.boolean().optional(),
});
export type LoadPlan = z.infer<typeof loadPlanSchema>;

/** The kinds of failed requests. Each ends a request without a latency, and none ends the run. */
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

/** What the generator can vouch for. Lateness and lag in microseconds. */
export const selfCheckSchema = z.object({
  valid: z.boolean(),
  reasons: z.array(z.string()).readonly(),
  offeredRps: z.number().nullable(),
  achievedRps: z.number(),
  /** From the intended time to the send, of every request. */
  sendLatenessUs: spread,
  /** From when the request was due and its connection free to the send: late by the generator alone. */
  schedulingDelayUs: spread.optional(),
  /** Between two turns of the event loop beyond the wait that was asked for. */
  loopLagUs: spread,
  /** Times that a generator thread stood still for more than the limit of METHODOLOGY.md though it was not asleep. */
  stalls: z
    .object({
      count: z.number(),
      totalMs: z.number(),
      maxMs: z.number(),
      /** Of the answered requests, those whose response time is one by half or more, 0 to 1: no tail of the network's. */
      requestShare: z.number(),
    })
    .optional(),
  /** How long the threads were ready to run while another task had their CPU. */
  runDelayMs: z.number().optional(),
  /** Sent later than the limit of METHODOLOGY.md because the connection was still waiting for an answer. */
  lateSends: z.number(),
  /** Intended inside the window but never sent. */
  missedSends: z.number(),
  /** Of the busiest generator thread's CPU, 0 to 1, without what it spun away. */
  cpuShare: z.number(),
  connectionsLost: z.number(),
});
export type SelfCheck = z.infer<typeof selfCheckSchema>;

/** What was answered in a part of the window, in milliseconds of it. */
export const loadReadingSchema = z.object({
  fromMs: z.number(),
  untilMs: z.number(),
  requests: z.number(),
  /** As in the result. */
  response: z.string(),
});
export type LoadReading = z.infer<typeof loadReadingSchema>;

export const loadResultSchema = z.object({
  /** Answered as expected, intended inside the window. */
  requests: z.number(),
  /** All requests whose intended time lies in the window, answered or not. */
  intended: z.number(),
  durationS: z.number(),
  achievedRps: z.number(),
  errors: z.record(z.enum(ERROR_KINDS), z.number()),
  cpuSeconds: z.object({ user: z.number(), system: z.number() }),
  /**
   * How much of that was spent looking for something to do: no work of any request, and no sign of saturation. Take it off
   * what the generator's side is said to cost. The sum is measured; its split is estimated from what one look costs.
   */
  busyPolledSeconds: z.object({ user: z.number(), system: z.number() }).optional(),
  /** HdrHistogram V2, compressed, base64; nanoseconds, from the intended time. */
  response: z.string(),
  /** The same from the actual send. */
  service: z.string(),
  selfCheck: selfCheckSchema,
});
export type LoadResult = z.infer<typeof loadResultSchema>;
