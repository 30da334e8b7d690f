/** A limit with its unit and reason; METHODOLOGY.md has this table, and a test compares the two. */
interface Limit {
  readonly value: number;
  readonly unit: 'µs' | '%';
  readonly what: string;
  readonly reason: string;
}

/** What the generator's self-check allows. A slice beyond one of these is invalid, except for `lateSendUs` and `stallUs`. */
export const SELF_CHECK_LIMITS = {
  schedulingDelayP99Us: {
    value: 1000,
    unit: 'µs',
    what: 'p99 of the scheduling delay',
    reason:
      'Response times include it. Sleeping until a due time costs 50 to 100 µs in a virtual machine; a stall costs more.',
  },
  stalledShare: {
    value: 0.05,
    unit: '%',
    what: 'responses that are a stall by half or more',
    reason: 'Quantiles above one minus this share may be the stall; beyond the limit that is p95.',
  },
  cpuShare: {
    value: 0.97,
    unit: '%',
    what: 'CPU of a generator thread',
    reason: 'Above it a thread cannot catch up after a stall: the rate is at risk.',
  },
  missedShare: {
    value: 0.001,
    unit: '%',
    what: 'requests that were never sent',
    reason: 'Above it the quantiles beyond p99.9 belong to another load than the requested one.',
  },
  unopenedShare: {
    value: 0.001,
    unit: '%',
    what: 'requests failed by connections that could not be opened',
    reason: 'With fewer connections than planned the load has another shape.',
  },
  lateSendUs: {
    value: 1000,
    unit: 'µs',
    what: 'delay from which a send on a busy connection counts as late',
    reason: 'Reported only: the server, not the generator, causes it.',
  },
  stallUs: {
    value: 100,
    unit: 'µs',
    what: 'time without running from which a thread has stalled',
    reason:
      'The longest operation between two clock readings, a send through two network stacks, takes under 20 µs.',
  },
} as const satisfies Readonly<Record<string, Limit>>;
