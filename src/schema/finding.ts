import * as z from 'zod';

const n = z.number();
const names = z.array(z.string()).readonly();
const side = z.enum(['client', 'server']);

/** Which of several things a finding is about: the reference of a ratio, or one run of a comparison. */
const scopeSchema = z.enum(['reference', 'base', 'new']);
export type FindingScope = z.infer<typeof scopeSchema>;

/** What an external generator cannot do or report; `report/wording.ts` has a sentence for each. */
export const EXTERNAL_LIMITS = [
  'closed-loop',
  'times-from-send',
  'corrected-samples-removed',
  'no-lateness',
  'no-length-check',
  'no-warm-up',
  'timer-1ms',
  'timer-10ms',
  'connection-bursts',
  'sparse-distribution',
  'steps-100us',
  'steps-1us',
  'calibration-10s',
  'pipelines-when-late',
  'log-per-request',
  'no-time-out',
  'counts-bytes',
] as const;

/** What the results of a testbed do not show. */
export const LIMITATIONS = [
  'one-kernel',
  'veth-wire',
  'this-machine-only',
  'shared-cpus',
  'separate-cpus',
  'emulated-guests',
  'bridge-wire',
  'guests-share-cpus',
  'guests-own-cpus',
  'other-traffic',
  'client-clock',
  'burstable-pods',
  'no-priority',
  'pod-reference',
  'maximum-estimated',
  'vpc-namespace',
] as const;

/** What a Docker daemon does to its host; `report/wording.ts` has words for each. */
export const DOCKER_EFFECTS = ['forward-dropped', 'bridged-filtered'] as const;

const define = <Code extends string, Shape extends z.ZodRawShape>(code: Code, shape: Shape) =>
  z.object({ code: z.literal(code), ...shape, scope: scopeSchema.optional() });

/**
 * Something the program noticed, as data. Numbers carry their unit in the name: `Us`, `Ms`, `S`, `Rps`; a `share` is 0 to 1.
 * The only place that turns findings into sentences is `report/wording.ts`.
 */
export const findingSchema = z.discriminatedUnion('code', [
  // The generator's self-check.
  define('generator-late', { p99Us: n, limitUs: n }),
  define('generator-stalled', { count: n, maxMs: n, runDelayMs: n, share: n, limitShare: n }),
  define('generator-throttled', { cpus: n, group: z.string(), periods: n, throttledPeriods: n }),
  define('generator-saturated', { generator: z.string(), share: n, limitShare: n }),
  define('sends-missed', { missed: n, intended: n, limitShare: n }),
  define('connections-unopened', { errno: z.string().nullable(), failed: n, intended: n, limitShare: n }),
  define('connections-fewer', { generator: z.string(), missing: n }),
  define('error-statuses-timed', { generator: z.string(), responses: n }),
  define('rate-missed', { generator: z.string(), achievedRps: n, offeredRps: n, limitShare: n }),
  define('nothing-received', {}),

  // What the load generator alone reports beside its figures.
  define('all-failed', { kind: z.string(), failed: n }),
  define('status-chosen', { status: n, location: z.string().nullable() }),
  /** `ports` is 0 where the kernel does not say. */
  define('connections-not-kept', { closed: n, requests: n, ports: n }),
  define('responses-malformed', { malformed: n, what: z.string() }),

  // Missing estimates.
  define('no-samples', {}),
  define('too-few-samples', { needed: n, has: n }),
  define('too-few-samples-in-slices', { needed: n, has: n, slices: n, ofSlices: n }),
  define('unanswered', { unanswered: n, intended: n }),
  define('unanswered-in-slices', { unanswered: n, intended: n, slices: n, ofSlices: n }),
  define('unanswered-in-restarts', {}),
  define('no-valid-slice', {}),
  define('not-sustained', { achievedRps: n, offeredRps: n }),
  define('no-common-round', {}),
  define('cpu-readings-failed', { failed: n, rounds: n }),
  define('emulated-times', {}),
  define('not-compared', {}),

  // The search for a network's maximum.
  define('search-unfinished', {}),
  define('reference-maximum-unknown', {}),
  define('search-slices-failed', { slices: n }),
  define('search-slices-invalid', { slices: n }),
  define('slices-too-short', { objective: z.string(), neededS: n }),
  define('no-rate-sustained', { objective: z.string().nullable(), lowestRps: n }),
  define('generator-is-limit', {}),
  define('maximum-missing', {}),

  // Files and lines of a results directory that were refused.
  define('file-missing', { file: z.string() }),
  define('file-undecodable', { file: z.string(), problem: z.string() }),
  define('sample-count-differs', { file: z.string(), samples: n, responses: n }),
  define('line-not-json', { file: z.string() }),
  define('line-version', { file: z.string(), version: z.string(), supported: n }),
  define('line-invalid', { file: z.string(), problem: z.string() }),
  define('line-duplicate', { file: z.string(), id: z.string() }),
  define('line-incomplete', { file: z.string() }),

  // A study as a whole.
  define('no-reference', {}),
  define('single-restart', {}),
  define('setting-lost', {
    what: z.string(),
    wanted: z.string(),
    found: z.string().nullable(),
    changers: names,
  }),
  define('reference-moved', { network: z.string(), ratio: n }),
  define('precision-missed', { latency: z.string(), share: n, wantedShare: n }),
  define('study-incomplete', { slices: n, planned: n }),
  define('searches-incomplete', { searches: n }),
  define('slices-failed', { failed: n, slices: n }),
  define('slices-invalid', { invalid: n, slices: n }),
  define('slice-failed', { error: z.string(), message: z.string() }),
  define('control-failed', { ratios: z.array(z.object({ key: z.string(), ratio: n })).readonly() }),

  // Why a network was chosen. Ratios are to the chosen network's, by these criteria: `p99@50%`.
  define('decision-beats', { network: z.string(), by: z.string(), ratio: n, lowRatio: n, highRatio: n }),
  define('decision-beats-median', {
    network: z.string(),
    by: z.string(),
    ratio: n,
    lowRatio: n,
    highRatio: n,
  }),
  define('decision-tie', { network: z.string(), by: z.string(), ratio: n, lowRatio: n, highRatio: n }),
  define('decision-open', { network: z.string(), by: z.string(), ratio: n, lowRatio: n, highRatio: n }),
  define('decision-unsustained', { network: z.string() }),
  define('decision-unrated', { network: z.string(), criterion: z.string() }),
  define('decision-tie-fewer-steps', { network: z.string(), steps: n, bestSteps: n }),
  define('decision-tie-more-steps', { network: z.string(), steps: n, bestSteps: n }),
  define('decision-flips', { network: z.string(), by: z.string(), lowRatio: n }),

  // A comparison of two studies.
  define('nothing-in-common', {}),
  define('hosts-differ', { names }),
  define('settings-differ', { names }),
  define('reference-maximum-differs', { baseRps: z.array(n).readonly(), newRps: z.array(n).readonly() }),
  define('few-restarts', { restarts: n }),

  // What determined a tail.
  define('tail-retransmission-timeout', {
    quantiles: z.array(z.object({ key: z.string(), ms: n })).readonly(),
  }),
  define('tail-retransmissions', { resent: n, timeouts: n, lostAgain: n }),
  define('tail-drops', {
    drops: z.array(z.object({ side, counter: z.string(), count: n })).readonly(),
    from: z.string(),
  }),
  define('tail-generator-stalls', { count: n, maxMs: n, share: n, from: z.string() }),
  define('tail-steal', { side, share: n }),
  define('tail-unsteady', {
    quantiles: z.array(z.object({ key: z.string(), lowMs: n, highMs: n })).readonly(),
  }),

  // What limits the rate of a cell.
  define('limit-link', { mbps: n, linkMbps: n }),
  define('limit-loss', { resent: n, share: n }),
  define('limit-softirq', { side, share: n, softirqShare: n }),
  define('limit-cpu', { side, share: n }),
  define('limit-quota', { side, periods: n, throttledPeriods: n }),
  define('limit-none', { side, share: n }),

  // Networks that cannot run.
  define('link-type-missing', { type: z.string(), detail: z.string() }),
  define('tool-missing', { tool: z.string(), package: z.string(), detail: z.string() }),
  define('forward-dropped', { detail: z.string() }),
  define('links-taken', { host: z.string(), links: names }),
  define('range-routed', { host: z.string(), range: z.string(), route: z.string() }),
  define('platform-missing', { platform: z.string() }),
  define('ipv6-unsupported', { detail: z.string() }),
  define('requirement-not-probed', { requirement: z.string() }),
  define('host-network-refused', { detail: z.string() }),
  define('right-missing', { right: z.string() }),
  define('kernel-features-missing', { names }),
  define('no-slice-run', {}),

  // Instructions per request.
  define('repeats-differ', { cell: z.string(), repeats: n, spread: n, limit: n }),
  define('trace-differs', { cell: z.string(), requests: n, traced: n, spread: n }),

  // What results do not show.
  define('limitation', { limitation: z.enum(LIMITATIONS) }),
  define('docker-effects', { hosts: names, effects: z.array(z.enum(DOCKER_EFFECTS)).readonly() }),
  define('external-limit', { generator: z.string(), limit: z.enum(EXTERNAL_LIMITS) }),

  // This machine, as `barewire doctor` finds it.
  define('not-root', {}),
  define('tools-missing', { tools: names, packages: names, install: z.string() }),
  define('kernel-old', { kernel: z.string(), least: z.string() }),
  define('capabilities-missing', { capabilities: names }),
  define('calls-refused', { calls: names, said: z.string(), by: z.enum(['seccomp', 'chroot', 'another']) }),
  define('settings-read-only', {}),
  define('folder-unusable', { folder: z.string(), what: z.string(), problem: z.string() }),
  define('cache-unusable', { folder: z.string(), problem: z.string() }),
  define('disk-full', { folder: z.string(), what: z.string(), freeMib: n, leastMib: n }),
  define('cpu-quota', { cpus: n, group: z.string(), periods: n, throttledPeriods: n }),
  define('clock-slow', { clock: z.string(), host: z.string().optional() }),
  define('few-open-files', { limit: n, wanted: n }),
  define('journals-open', { journals: n }),
  define('single-cpu', {}),
  define('governor', { governor: z.string() }),
  define('turbo', {}),
  define('smt', {}),
  define('virtual-machine', {}),
  define('machine-busy', { loadPerCpu: n }),
  define('nic-used', { host: z.string(), device: z.string(), packetsPerS: n, mbps: n }),
  define('bridge-netfilter', {}),
]);
export type Finding = z.infer<typeof findingSchema>;
/** A finding that holds for a network wherever it is measured. */
export const caveatSchema = z.object({ code: z.literal('limitation'), limitation: z.enum(LIMITATIONS) });
export type Caveat = z.infer<typeof caveatSchema>;
export type FindingCode = Finding['code'];

/**
 * Findings of one code whose other parameters agree: `low` and `high` hold the least and the greatest of each number. Findings
 * about files form one group with all `files`.
 */
export const findingGroupSchema = z.object({
  count: z.number().int(),
  low: findingSchema,
  high: findingSchema,
  files: names.optional(),
});
export type FindingGroup = z.infer<typeof findingGroupSchema>;

/** Findings with the same key form one group: they differ in numbers and files only. */
export const groupKey = (finding: Finding): string =>
  JSON.stringify(
    Object.entries(finding).filter(([name, value]) => typeof value !== 'number' && name !== 'file'),
  );

/** Groups in the order of their first finding. */
export function groupFindings(findings: readonly Finding[]): FindingGroup[] {
  const groups = new Map<string, Finding[]>();
  for (const finding of findings) {
    const key = groupKey(finding);
    groups.set(key, [...(groups.get(key) ?? []), finding]);
  }
  return [...groups.values()].map((members) => {
    const files = members.flatMap((member) => ('file' in member ? [member.file] : []));
    return {
      count: members.length,
      low: reduceNumbers(members, Math.min),
      high: reduceNumbers(members, Math.max),
      ...(files.length === 0 ? {} : { files }),
    };
  });
}

function reduceNumbers(members: readonly Finding[], pick: (a: number, b: number) => number): Finding {
  return members.reduce((reduced, member) => {
    const numbers = Object.entries(member).map(([name, value]): [string, unknown] => {
      const other: unknown = reduced[name as keyof Finding];
      return [name, typeof value === 'number' && typeof other === 'number' ? pick(value, other) : value];
    });
    return {
      ...reduced,
      ...Object.fromEntries(numbers),
      ...('file' in reduced ? { file: reduced.file } : {}),
    };
  });
}

/** An estimate that the samples cannot support. */
export const missing = (finding: Finding): { readonly value: null; readonly finding: Finding } => ({
  value: null,
  finding,
});
