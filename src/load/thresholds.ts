/** What the generator holds itself to. METHODOLOGY.md gives these numbers and reasons; change both. */

/** A send this much after its intended time, because its connection was busy, is a late send. */
export const LATE_SEND_US = 1000;

/**
 * The generator's own lateness (its connection was free) at p99. Response times count it, so beyond this it is the
 * generator that is measured. Sleeping until a due time costs 50–100 µs in a virtual machine; a stall costs more.
 */
export const MAX_SCHEDULING_DELAY_P99_US = 1000;

/** Of a thread's CPU. Above it there is no room to catch up after a stall: the rate itself is at risk. */
export const MAX_CPU_SHARE = 0.97;

/** Of the requests intended: above it the quantiles beyond p99.9 are of another load than the one asked for. */
export const MAX_MISSED_SHARE = 0.001;

/** Of the requests intended: with fewer connections than planned the load has another shape than the one asked for. */
export const MAX_UNOPENED_SHARE = 0.001;

/**
 * A thread that stands still for longer than this has stalled. The longest thing that it does between two looks at the
 * clock, a send through two hosts' network stacks, takes under 20 µs.
 */
export const STALL_US = 100;

/**
 * Of the answered requests, those whose response time is a stall of the generator by half or more. Quantiles beyond one minus
 * this share may be the stall's; above the limit that is p95, the lowest quantile of a tail, and nothing is left to report.
 */
export const MAX_STALLED_SHARE = 0.05;
