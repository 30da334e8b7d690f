import fc from 'fast-check';
import {
  groupFindings,
  LATENCY_KEYS,
  type Cell,
  type Estimate,
  type LatencyEstimates,
  type LatencyKey,
  type NetworkSummary,
  type Summary,
} from '../../src/schema/index.js';
import { anyFinding } from '../schema/any-finding.js';

/** Texts without the words that a report must not contain by accident. */
const text = fc
  .oneof(
    fc.string({ maxLength: 12 }),
    fc.string({ unit: 'binary', maxLength: 12 }),
    fc.lorem({ maxCount: 4 }),
  )
  .filter((words) => !/undefined|nan|null|infinity|\[object/i.test(words));
const findings = fc.array(anyFinding, { maxLength: 3 });
/** Up to 10^±100, so that no ratio or sum of two leaves what a number can hold. */
const number = fc
  .oneof(
    fc.double({ min: -1e100, max: 1e100, noNaN: true }),
    fc.double({ min: 0, max: 1000, noNaN: true }),
    fc.constantFrom(0, 1, -1, 1e-100),
  )
  .map((value) => (Math.abs(value) < 1e-100 ? 0 : value));
const count = fc.nat();
const orNull = <T>(of: fc.Arbitrary<T>): fc.Arbitrary<T | null> => fc.option(of, { nil: null });

const figure: fc.Arbitrary<Estimate> = fc.oneof(
  fc.record({ value: number, low: orNull(number), high: orNull(number) }),
  fc.record({ value: fc.constant(null), finding: anyFinding }),
);
const figures: fc.Arbitrary<LatencyEstimates> = fc
  .array(figure, { minLength: LATENCY_KEYS.length, maxLength: LATENCY_KEYS.length })
  .map((all) => Object.fromEntries(LATENCY_KEYS.map((key, index) => [key, all[index]])) as LatencyEstimates);
const some = <T>(of: fc.Arbitrary<T>): fc.Arbitrary<Partial<Record<LatencyKey, T>>> =>
  fc.dictionary(fc.constantFrom(...LATENCY_KEYS), of);
const cost = fc.record({ user: number, system: number, softirq: number });

const share = fc.double({ min: 0, max: 1, noNaN: true });
const cpuLoad = fc.record({
  cpu: count,
  user: share,
  system: share,
  softirq: share,
  irq: share,
  steal: share,
  idle: share,
});

const cell: fc.Arbitrary<Cell> = fc.record({
  workload: fc.oneof(fc.constantFrom('350B', '4KB'), text),
  rateRps: fc.oneof(fc.constantFrom(1000, 2000), number),
  rateOfMax: orNull(number),
  achievedRps: number,
  slices: count,
  invalidSlices: count,
  failedSlices: count,
  samples: count,
  latencyMs: figures,
  pooledMs: figures,
  variance: fc.record({ betweenRestarts: orNull(number), betweenRounds: orNull(number) }),
  serviceMs: figures,
  ratioToReference: some(figure),
  verdicts: some(
    fc.record({
      verdict: fc.constantFrom(
        'better' as const,
        'worse' as const,
        'equivalent' as const,
        'undecided' as const,
      ),
      restartsNeeded: orNull(count),
    }),
  ),
  cpuUsPerRequest: orNull(fc.record({ client: cost, server: cost })),
  cpuRatioToReference: figure,
  sustained: orNull(fc.boolean()),
  tail: findings,
  limit: orNull(anyFinding),
  cpuLoad: fc.record({ client: fc.array(cpuLoad, { maxLength: 2 }), server: fc.constant([]) }),
  selfCheck: fc.record({ valid: fc.boolean(), findings: findings.map(groupFindings) }),
  curve: fc.array(fc.record({ quantile: fc.double({ min: 0, max: 1, noNaN: true }), ms: number }), {
    maxLength: 12,
  }),
});

const network: fc.Arbitrary<NetworkSummary> = fc.record({
  name: fc.oneof(fc.constantFrom('host', 'ipvlan', '<b>&"\'', '__proto__'), text),
  what: text,
  status: fc.constantFrom('measured' as const, 'unsupported' as const, 'failed' as const),
  finding: orNull(anyFinding),
  setup: orNull(fc.record({ steps: count, ms: number, tearDownMs: number })),
  maxRps: orNull(figure),
  kneeRps: orNull(number),
  cells: fc.array(cell, { maxLength: 3 }),
});

const scalar = fc.oneof(text, number, fc.boolean(), fc.constant(null));

/** Any summary that the schema allows. */
export const anySummary: fc.Arbitrary<Summary> = fc.record({
  schema: fc.constant(2 as const),
  study: text,
  testbed: text,
  startedAt: text,
  reference: fc.oneof(fc.constant('host'), text),
  restarts: count,
  margin: fc.double({ min: 0.001, max: 1, noNaN: true }),
  tailMargin: fc.double({ min: 0.001, max: 1, noNaN: true }),
  complete: fc.boolean(),
  plannedSlices: count,
  slices: count,
  wallS: number,
  measuringShare: number,
  warnings: findings,
  refused: findings,
  limitations: findings,
  decision: orNull(
    fc.record({
      network: text,
      objective: fc.constantFrom('p99', 'setup'),
      criteria: fc.constantFrom<NonNullable<Summary['decision']>['criteria']>(
        [{ kind: 'latency', latency: 'p99', at: null, weight: 1 }],
        [
          { kind: 'setup', weight: 1 },
          { kind: 'cpu', at: null, weight: 2 },
        ],
        [{ kind: 'maximum', limit: null, weight: 1 }],
      ),
      rates: fc.constantFrom('30%–50%', 'all rates'),
      ratioToReference: figure,
      reasons: findings,
      flipsIf: findings,
      runnersUp: fc.array(
        fc.record({
          network: text,
          sustained: fc.boolean(),
          ratioToBest: figure,
          medianRatioToBest: orNull(figure),
          tie: fc.boolean(),
          verdict: fc.record({
            verdict: fc.constantFrom('worse' as const, 'undecided' as const),
            restartsNeeded: orNull(count),
          }),
        }),
        { maxLength: 2 },
      ),
    }),
  ),
  networks: fc.array(network, { maxLength: 5 }),
  control: fc.record({ aa: some(figure), trusted: orNull(fc.boolean()) }),
  environment: fc.dictionary(text, fc.dictionary(text, scalar, { maxKeys: 3 }), { maxKeys: 2 }),
});
