import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { LATENCY_KEYS, QUANTILE_NAMES, summarySchema, type Estimate } from '../../src/schema/index.js';
import { estimateLatencies, summarize, type SliceData } from '../../src/stats/index.js';
import { restarts, failedSlice, histogramOf, logNormal, study, slice } from './synthetic.js';

const cellOf = (slices: readonly SliceData[], network = 'flannel-vxlan') =>
  summarize(study(), slices).networks.find(({ name }) => name === network)!.cells[0]!;

test('a summary has every network, cell and ratio of the study and satisfies its schema', () => {
  const summary = summarySchema.parse(summarize(study(), restarts(5, 2000, 1.3)));
  const [host, vxlan] = summary.networks;
  expect(summary.complete).toBe(true);
  expect(host!.cells[0]!.slices).toBe(10);
  expect(host!.cells[0]!.ratioToReference).toEqual({});
  expect(vxlan!.cells[0]!.ratioToReference.p99!.value).toBeCloseTo(1.3, 1);
  expect(vxlan!.cells[0]!.verdicts.p50!.verdict).toBe('worse');
  expect(host!.cells[0]!.cpuRatioToReference).toBeUndefined();
  expect(vxlan!.cells[0]!.cpuRatioToReference!.value).toBeCloseTo(1, 9);
  expect(summary.control.trusted).toBe(true);
  expect(summary.warnings).toEqual([]);
});

test('a cell whose backlog grows is not sustained, and one whose rate varies is', () => {
  const withShortfall = (short: (index: number) => number) =>
    cellOf(
      restarts(5, 2000, 1.3).map((one, index) => {
        const { record } = one;
        if (record.status !== 'measured' || record.network === 'host') return one;
        const achievedRps = record.rateRps * (1 - short(index));
        return { ...one, record: { ...record, load: { ...record.load, achievedRps } } };
      }),
    );
  const alternating = (index: number): number => (index % 4 < 2 ? 1 : -1);
  // restarts() has too few slices of a network to show growth beyond chance.
  expect(withShortfall(() => 0.005).sustained).toBe(true);
  const many = (short: number, spread: number) =>
    summarize(
      study(),
      [1, 2, 3].flatMap((restart) =>
        [1, 2, 3, 4].map((round) => {
          const id = `r${restart}-${round}`;
          const one = slice(
            { id, restart, round, network: 'flannel-vxlan' },
            logNormal(restart * 10 + round, 500, 1e5),
          );
          if (one.record.status !== 'measured') return one;
          const achievedRps = one.record.rateRps * (1 - short - spread * alternating(round));
          return { ...one, record: { ...one.record, load: { ...one.record.load, achievedRps } } };
        }),
      ),
    ).networks.find(({ name }) => name === 'flannel-vxlan')?.cells[0]?.sustained;
  expect(many(0.005, 0.001)).toBe(false);
  expect(many(0.005, 0.02)).toBe(true);
  expect(many(0.001, 0.0001)).toBe(true);
  expect(many(0.02, 0.001)).toBe(false);
});

test('the order of the slices does not matter', () => {
  const slices = [...restarts(3, 300, 1.2), failedSlice({ id: 'r9-1', restart: 9 }, 'it broke')];
  const expected = summarize(study(), slices);
  fc.assert(
    fc.property(fc.shuffledSubarray(slices, { minLength: slices.length }), (shuffled) => {
      expect(summarize(study(), shuffled)).toEqual(expected);
    }),
    { numRuns: 10 },
  );
});

test('quantiles increase and lie in their intervals for any latencies', () => {
  const latencies = fc.array(fc.integer({ min: 1, max: 2_000_000_000 }), { minLength: 1, maxLength: 2000 });
  fc.assert(
    fc.property(fc.array(latencies, { minLength: 1, maxLength: 4 }), (all) => {
      const slices = all.map((values, restart) =>
        slice({ id: `r${restart}-1`, restart }, histogramOf(values)),
      );
      for (const figures of [
        cellOf(slices).latencyMs,
        estimateLatencies(histogramOf(all[0]!), all[0]!.length),
      ])
        expectSound(QUANTILE_NAMES.map((key) => figures[key]));
    }),
    { numRuns: 50 },
  );
});

/** A tolerance of 1e-9: values are exponentials of means of logarithms. */
function expectSound(figures: readonly Estimate[]): void {
  const known = figures.filter((figure) => figure.value !== null);
  for (const [at, { value, low, high }] of known.entries()) {
    expect(value).toBeGreaterThanOrEqual((known[at - 1]?.value ?? 0) * (1 - 1e-9));
    expect(low ?? 0).toBeLessThanOrEqual(value * (1 + 1e-9));
    expect(high ?? Infinity).toBeGreaterThanOrEqual(value * (1 - 1e-9));
  }
}

describe('quantiles that the samples do not support', () => {
  test('are null with the number of samples that they need', () => {
    expect(estimateLatencies(logNormal(1, 240_000, 1e5), 240_000)['p99.999']).toEqual({
      value: null,
      finding: { code: 'too-few-samples', needed: 368_887, has: 240_000 },
    });
  });

  test('are given where all restarts together support them', () => {
    const cell = cellOf(restarts(3, 2000, 1));
    expect(cell.pooledMs['p99.9'].value).toBeGreaterThan(cell.pooledMs['p99.5'].value!);
    expect(cell.latencyMs['p99.9']).toMatchObject({ finding: { code: 'too-few-samples-in-slices' } });
    expect(cell.ratioToReference['p99.9']!.value).not.toBeNull();
    expect(cell.latencyMs['p99.99']).toEqual({
      value: null,
      finding: { code: 'too-few-samples', needed: 36_887, has: 6000 },
    });
    expect(cell.verdicts['p99.99']).toBeUndefined();
  });

  test('are null where they or their upper bounds lie among requests without a response', () => {
    const figures = estimateLatencies(logNormal(1, 9990, 1e5), 10_000);
    expect(figures.p99.value).not.toBeNull();
    expect(figures['p99.9']).toEqual({
      value: null,
      finding: { code: 'unanswered', unanswered: 10, intended: 10_000 },
    });
    expect(figures.max.value).toBeNull();
  });

  test('are null with the number of slices that cause it', () => {
    const slices = [0, 1, 2].map((restart) =>
      slice({ id: `r${restart}-1`, restart }, logNormal(restart, 900, 1e5), {
        intended: restart === 1 ? 1000 : 900,
      }),
    );
    const { latencyMs } = cellOf(slices);
    expect(latencyMs.p50.value).not.toBeNull();
    expect(latencyMs.p99).toEqual({
      value: null,
      finding: {
        code: 'unanswered-in-slices',
        unanswered: 100,
        intended: 1000,
        slices: 1,
        ofSlices: 3,
      },
    });
  });
});

describe('one restart', () => {
  const summary = summarize(study({ restarts: 1 }), restarts(1, 2000, 1.3));

  test('gives estimates without intervals, with a finding', () => {
    const { latencyMs, ratioToReference, verdicts } = summary.networks[1]!.cells[0]!;
    expect(latencyMs.p99).toMatchObject({ low: null, high: null });
    expect(ratioToReference.p99).toMatchObject({ low: null, high: null });
    expect(verdicts.p99).toEqual({ verdict: 'undecided', restartsNeeded: null });
    expect(summary.warnings).toContainEqual({ code: 'single-restart' });
  });

  test('leaves the A/A control undecided', () => {
    expect(summary.control.trusted).toBeNull();
    expect(summary.control.aa.p99).toMatchObject({ low: null, high: null });
  });

  test('gives the quantiles of its one slice, as HdrHistogram does', () => {
    const histogram = logNormal(200, 2000, 1.3e5);
    for (const [key, q] of [
      ['p50', 0.5],
      ['p99', 0.99],
    ] as const)
      expect(summary.networks[1]!.cells[0]!.latencyMs[key].value).toBeCloseTo(
        histogram.quantile(q) * 1e-6,
        9,
      );
  });
});

describe('the control', () => {
  test('fails when the two references differ', () => {
    const slices = Array.from({ length: 5 }, (_, restart) => [
      slice(
        { id: `r${restart}-1`, restart, role: 'reference', network: 'host' },
        logNormal(restart, 2000, 1e5),
      ),
      slice(
        { id: `r${restart}-2`, restart, role: 'control', network: 'host' },
        logNormal(restart + 9, 2000, 1.38e5),
      ),
    ]).flat();
    const { control, warnings } = summarize(study({ networks: ['host'] }), slices);
    expect(control.trusted).toBe(false);
    expect(control.aa.p50!.value).toBeCloseTo(1.38, 1);
    expect(warnings[0]).toMatchObject({
      code: 'control-failed',
      ratios: expect.arrayContaining([expect.objectContaining({ key: 'p50' })]) as object,
    });
  });

  test('is null where the reference was not measured', () => {
    const slices = restarts(3, 500, 1).filter(({ record }) => record.network !== 'host');
    const summary = summarize(study({ networks: ['flannel-vxlan', 'ipvlan'] }), slices);
    expect(summary.control).toEqual({ aa: {}, trusted: null });
    expect(summary.networks[0]!.cells[0]!.ratioToReference).toEqual({});
    expect(summary.warnings).toContainEqual({ code: 'no-reference' });
  });
});

const LATE = { code: 'generator-late', p99Us: 2000, limitUs: 1000 } as const;
const NO_IPVLAN = { code: 'link-type-missing', type: 'ipvlan', detail: 'EOPNOTSUPP' } as const;

describe('slices that are excluded', () => {
  test('are counted and reported, and change no estimate', () => {
    const good = restarts(3, 500, 1);
    const doubtful = slice({ id: 'r7-3', restart: 7 }, logNormal(7, 500, 9e9), { valid: false });
    if (doubtful.record.status !== 'measured') throw new Error('not a measured slice');
    const { selfCheck } = doubtful.record.load;
    const load = {
      ...doubtful.record.load,
      selfCheck: { ...selfCheck, valid: false, findings: [LATE] },
    };
    const invalid: SliceData = { ...doubtful, record: { ...doubtful.record, load } };
    const cell = cellOf([...good, invalid, failedSlice({ id: 'r8-3', restart: 8 }, 'no path')]);
    expect(cell).toMatchObject({ slices: 3, invalidSlices: 1, failedSlices: 1 });
    expect(cell.latencyMs).toEqual(cellOf(good).latencyMs);
    const failure = { code: 'slice-failed', error: 'path-check-failed', message: 'no path' };
    expect(cell.selfCheck.findings).toEqual([
      { count: 1, low: LATE, high: LATE },
      { count: 1, low: failure, high: failure },
    ]);
  });

  test('leave a cell without estimates when there are no others', () => {
    const cell = cellOf([slice({}, logNormal(1, 500, 1e5), { valid: false })]);
    expect(cell).toMatchObject({ slices: 0, invalidSlices: 1, cpuUsPerRequest: null, curve: [] });
    for (const key of LATENCY_KEYS)
      expect(cell.latencyMs[key]).toEqual({ value: null, finding: { code: 'no-valid-slice' } });
    expect(cell.selfCheck.valid).toBe(false);
  });

  test('make the network failed when all of them failed, with the most frequent reason', () => {
    const reasons = ['no path', 'no path', 'it broke'];
    const slices = reasons.map((reason, restart) => failedSlice({ id: `r${restart}-3`, restart }, reason));
    const { networks } = summarize(study(), slices);
    expect(networks[1]).toMatchObject({
      status: 'failed',
      finding: { code: 'slice-failed', message: 'no path' },
      setup: null,
    });
  });
});

test('a network that the testbed cannot run is listed with its reason', () => {
  const base = study({ networks: ['host', 'flannel-vxlan', 'ipvlan'] });
  const networks = base.networks.map((network) =>
    network.name === 'ipvlan' ? { ...network, support: 'no' as const, finding: NO_IPVLAN } : network,
  );
  const summary = summarize({ ...base, networks }, restarts(5, 300, 1));
  expect(summary.networks[2]).toMatchObject({
    name: 'ipvlan',
    status: 'unsupported',
    finding: NO_IPVLAN,
    cells: [],
  });
  expect(summary).toMatchObject({ plannedSlices: 15, complete: true });
});

test('CPU per request is weighted by requests, and setup costs are medians', () => {
  const costing = (user: number, n: number, restart: number): SliceData => {
    const made = slice({ id: `r${restart}`, restart }, logNormal(restart, n, 1e5), {
      setup: { steps: 10 + restart, setUpMs: [40, 90, 50][restart]!, tearDownMs: 20 },
    });
    if (made.record.status !== 'measured') throw new Error('not a measured slice');
    const cost = { ...made.record.metrics.server, cpuUsPerRequest: { user, system: 1, softirq: 0 } };
    return { ...made, record: { ...made.record, metrics: { ...made.record.metrics, server: cost } } };
  };
  const slices = [costing(1, 1000, 0), costing(4, 500, 1), costing(4, 500, 2)];
  expect(cellOf(slices).cpuUsPerRequest!.server).toEqual({ user: 2.5, system: 1, softirq: 0 });
  expect(summarize(study(), slices).networks[1]!.setup).toEqual({ steps: 11, ms: 50, tearDownMs: 20 });
});

/** Ten rounds of both networks, of which some have no reading of the server's CPU time. */
const withoutReadings = (failed: number): SliceData[] =>
  Array.from({ length: 10 }, (_, index) =>
    (['host', 'flannel-vxlan'] as const).map((network) => {
      const role = network === 'host' ? ('reference' as const) : ('contender' as const);
      const made = slice(
        { id: `r1-${index}-${network}`, round: index + 1, network, role },
        logNormal(index, 1000, 1e5),
      );
      if (made.record.status !== 'measured' || network === 'host' || index >= failed) return made;
      const server = { ...made.record.metrics.server, cpuUsPerRequest: null };
      return { ...made, record: { ...made.record, metrics: { ...made.record.metrics, server } } };
    }),
  ).flat();

test('a round without a reading of its CPU time is left out, and several leave no figure', () => {
  const ratioOf = (failed: number) =>
    summarize(study(), withoutReadings(failed)).networks.find(({ name }) => name === 'flannel-vxlan')
      ?.cells[0]?.cpuRatioToReference;
  expect(ratioOf(2)?.value).toBeCloseTo(1, 5);
  expect(ratioOf(3)).toEqual({
    value: null,
    finding: { code: 'cpu-readings-failed', failed: 3, rounds: 10 },
  });
});

test('warm-up does not count as measuring, nor a pause before a resume as study time', () => {
  const at = (startedAt: string, restart: number): SliceData =>
    slice({ id: `r${restart}`, restart }, logNormal(restart, 100, 1e5), {
      startedAt,
      wallMs: 2000,
      measuredMs: 1000,
    });
  const slices = [
    at('2026-01-01T00:00:01Z', 0),
    at('2026-01-01T00:00:03Z', 1),
    at('2026-01-02T08:00:00Z', 2),
  ];
  expect(summarize(study(), slices)).toMatchObject({ wallS: 7, measuringShare: 3 / 7 });
});

test('a curve rises, has at most 120 points, and ends where the samples end', () => {
  const { curve } = cellOf(restarts(3, 5000, 1));
  expect(curve.length).toBeLessThanOrEqual(120);
  expect(curve[0]!.quantile).toBe(0);
  expect(curve.at(-1)!.quantile).toBeCloseTo(0.025 ** (1 / 15_000), 9);
  for (const [at, point] of curve.entries()) expect(point.ms).toBeGreaterThanOrEqual(curve[at - 1]?.ms ?? 0);
});

test('random arrivals that happen to be fewer than the rate do not make it unsustained', () => {
  // 2 % fewer requests than the rate in every slice, all of them answered.
  const histogram = histogramOf(Array.from({ length: 980 }, () => 1e5));
  const few = [1, 2, 3, 4, 5].flatMap((restart) =>
    (['reference', 'control'] as const).map((role) => {
      const one = slice({ restart, network: 'host', role, id: `r${restart}-${role}` }, histogram);
      if (one.record.status === 'measured') one.record.load.achievedRps = 980;
      return one;
    }),
  );
  const sustained = (arrival: 'poisson' | 'constant') =>
    summarize(study({ arrival }), few).networks[0]?.cells[0]?.sustained;
  expect(sustained('poisson')).toBe(true);
  expect(sustained('constant')).toBe(false);
});
