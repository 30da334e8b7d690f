import { expect, test } from 'vitest';
import { offerOf, toEvidence, openSearches, summarize, type SliceData } from '../../src/stats/index.js';
import {
  findLimit,
  type Finding,
  type LatencyKey,
  type Objective,
  type StudyRecord,
} from '../../src/schema/index.js';
import { restarts, failedSlice, logNormal, normal, seeded, study, slice } from './synthetic.js';

/** Three restarts at each rate; a network answers as many requests as it can, which differs by 1 % from slice to slice. */
function slices(rates: readonly number[], capacityRps: number, network = 'flannel-vxlan'): SliceData[] {
  const random = seeded(62);
  return rates.flatMap((rateRps, at) =>
    [0, 1, 2].map((restart) => {
      const made = slice(
        { id: `r${restart}-${at}`, restart, network, rateRps },
        logNormal(restart, 400, 1e5),
      );
      if (made.record.status !== 'measured') throw new Error('not a measured slice');
      const achievedRps = Math.min(rateRps, capacityRps * Math.exp(0.01 * normal(random)));
      const { record } = made;
      return { ...made, record: { ...record, load: { ...record.load, achievedRps } } };
    }),
  );
}
const maxOf = (some: readonly SliceData[]) =>
  summarize(study(), some).networks.map(({ name, maxRps }) => [name, maxRps] as const);

test('a network that did not sustain the highest rate has a maximum with an interval', () => {
  const [, [, max]] = maxOf(slices([20_000, 40_000, 50_000], 44_000)) as [
    unknown,
    readonly [string, unknown],
  ];
  const { value, low, high } = max as { value: number; low: number; high: number };
  expect(Math.abs(value / 44_444 - 1)).toBeLessThan(0.03);
  expect(low).toBeLessThan(44_444);
  expect(high).toBeGreaterThan(44_444);
});

test('a network that sustained every rate has no maximum, the reference its closed-loop one', () => {
  const all = [...slices([10_000, 20_000], 60_000), ...slices([10_000, 20_000], 60_000, 'host')];
  expect(maxOf(all)).toEqual([
    ['host', { value: 50_000, low: null, high: null }],
    ['flannel-vxlan', null],
  ]);
});

test('one slow slice at a lower rate does not set the maximum', () => {
  const [slow, ...others] = slices([10_000, 20_000], 60_000);
  if (slow?.record.status !== 'measured') throw new Error('not a measured slice');
  const load = { ...slow.record.load, achievedRps: 9000 };
  expect(maxOf([{ ...slow, record: { ...slow.record, load } }, ...others])[1]).toEqual([
    'flannel-vxlan',
    null,
  ]);
});

/** A slice of a search; the latencies' median in µs. */
function searched(
  rateRps: number,
  achievedRps: number,
  medianUs = 100,
  network = 'flannel-vxlan',
): SliceData {
  const id = `max-350B-${network}-${rateRps}`;
  const plan = { id, restart: 9, role: 'search' as const, network, rateRps };
  const made = slice(plan, logNormal(rateRps, 400, medianUs * 1000));
  if (made.record.status !== 'measured') throw new Error('not a measured slice');
  return { ...made, record: { ...made.record, load: { ...made.record.load, achievedRps } } };
}

/** As the runner does, against a network that answers so many and whose latency grows with the rate. */
function searchToItsEnd(record: StudyRecord, data: SliceData[], capacityRps: number): SliceData[] {
  const random = seeded(63);
  for (;;) {
    const evidence = data.flatMap(
      (one) => toEvidence(one, findLimit(record.spec.objective), offerOf(record)) ?? [],
    );
    const next = openSearches(record, evidence).find(({ network }) => network === 'flannel-vxlan');
    if (next === undefined) return data;
    const carried = capacityRps * Math.exp(0.01 * normal(random));
    const medianUs = next.rateRps < carried ? 100 / (1 - next.rateRps / carried) : 1e5;
    data.push(searched(next.rateRps, Math.min(next.rateRps, carried), medianUs));
  }
}
const vxlanOf = (record: StudyRecord, data: readonly SliceData[]) =>
  summarize(record, data).networks.find(({ name }) => name === 'flannel-vxlan');

test('a searched maximum lies in its interval, and its slices belong to no cell or restart', () => {
  const record = study({ maximum: true });
  const data = searchToItsEnd(record, restarts(5, 1000, 1.2), 40_000);
  const summary = summarize(record, data);
  const vxlan = vxlanOf(record, data);
  const max = vxlan?.maxRps as { value: number; low: number; high: number };
  expect(Math.abs(max.value / (40_000 / 0.99) - 1)).toBeLessThan(0.03);
  expect(max.low).toBeLessThan(40_000 / 0.99);
  expect(max.high).toBeGreaterThan(40_000 / 0.99);
  expect(vxlan?.maxRpsByWorkload).toEqual({ '350B': max });
  expect(vxlan?.cells.map(({ rateRps }) => rateRps)).toEqual([1000]);
  expect(summary).toMatchObject({ restarts: 5, slices: 15 });
});

const under = (latency: LatencyKey, limitMs: number): Objective => [
  { kind: 'maximum', limit: { latency, limitMs }, weight: 1 },
];

test('under a limit the maximum is where the latency reaches it', () => {
  const record = study({ maximum: true, objective: under('p50', 0.2) });
  const { maxRps } = vxlanOf(record, searchToItsEnd(record, restarts(5, 1000, 1), 40_000)) ?? {};
  // 100 µs / (1 − rate/40,000) is 200 µs at half of it.
  expect(Math.abs((maxRps?.value ?? 0) / 20_000 - 1)).toBeLessThan(0.05);
});

test('a network that misses the objective at every rate has a finding', () => {
  const record = study({ maximum: true, objective: under('p50', 0.001) });
  const { maxRps } = vxlanOf(record, searchToItsEnd(record, restarts(1, 1000, 1), 40_000)) ?? {};
  expect(maxRps).toMatchObject({
    value: null,
    finding: {
      code: 'no-rate-sustained',
      objective: 'p50<0.001ms',
      lowestRps: expect.any(Number) as number,
    },
  });
});

test('an objective that no slice supports is reported before the search', () => {
  const record = study({ maximum: true, objective: under('p99.999', 1), durationMs: 2_000 });
  expect(vxlanOf(record, restarts(1, 1000, 1))?.maxRps).toEqual({
    value: null,
    finding: { code: 'slices-too-short', objective: 'p99.999<1ms', neededS: 8 },
  });
});

test('an unfinished search makes the study incomplete, with the command that continues it', () => {
  const record = study({ maximum: true });
  const { complete, warnings, networks } = summarize(record, restarts(5, 1000, 1));
  expect(complete).toBe(false);
  expect(warnings).toContainEqual({ code: 'searches-incomplete', searches: 2 });
  expect(networks.map(({ maxRps }) => maxRps?.value)).toEqual([null, null]);
});

const MISSED: Finding = { code: 'sends-missed', missed: 100, intended: 1000, limitShare: 0.001 };
const STALLED: Finding = {
  code: 'generator-stalled',
  count: 1,
  maxMs: 9,
  runDelayMs: 0,
  share: 0.5,
  limitShare: 0.05,
};

test('missed sends are evidence that a rate is too high, an invalid slice is not', () => {
  const overloaded = searched(90_000, 40_000);
  const { record } = overloaded;
  if (record.status !== 'measured') throw new Error('not a measured slice');
  const doubtful = (...findings: Finding[]): SliceData => {
    const selfCheck = { ...record.load.selfCheck, valid: false, findings };
    return { ...overloaded, record: { ...record, valid: false, load: { ...record.load, selfCheck } } };
  };
  expect(toEvidence(doubtful(MISSED), undefined, offerOf(study()))?.valid).toBe(true);
  expect(toEvidence(doubtful(MISSED, STALLED), undefined, offerOf(study()))?.valid).toBe(false);
  expect(toEvidence(doubtful(STALLED), undefined, offerOf(study()))?.valid).toBe(false);
});

test('a failed search slice is no evidence and is counted', () => {
  const failed = failedSlice({ role: 'search' }, 'no path');
  expect(toEvidence(failed, undefined, offerOf(study()))).toMatchObject({ valid: false, failed: true });
  expect(toEvidence(failedSlice({}, 'no path'), undefined, offerOf(study()))).toBeNull();
});

test('one restart gives a searched maximum an interval but no cell', () => {
  const record = study({ maximum: true, restarts: 1 });
  const data = searchToItsEnd(record, restarts(1, 1000, 1.2), 40_000);
  const { warnings } = summarize(record, data);
  const vxlan = vxlanOf(record, data);
  expect(warnings).toContainEqual({ code: 'single-restart' });
  expect(vxlan?.cells[0]?.latencyMs.p50).toMatchObject({ low: null, high: null });
  expect(vxlan?.cells[0]?.verdicts.p50?.verdict).toBe('undecided');
  expect((vxlan?.maxRps as { high: number }).high).toBeGreaterThan(40_000);
});

test('random arrivals that happen to be fewer than the rate are no evidence of a lower maximum', () => {
  // 2 % fewer requests than the rate, all of them answered.
  const few = searched(1_000, 980);
  if (few.record.status !== 'measured') throw new Error('not a measured slice');
  few.record.load.intended = 980 * few.record.load.durationS;
  const achieved = (arrival: 'poisson' | 'constant') =>
    toEvidence(few, undefined, offerOf(study({ arrival })))?.achievedRps;
  expect(achieved('poisson')).toBeCloseTo(1_000, 6);
  expect(achieved('constant')).toBe(980);
});
