import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { LATENCY_KEYS, QUANTILE_NAMES, summarySchema, type Figure } from '../../src/schema/index.js';
import { latencyFigures, summarize, type TrialData } from '../../src/stats/index.js';
import { blocks, failedTrial, histogramOf, logNormal, study, trial } from './synthetic.js';

const cellOf = (trials: readonly TrialData[], network = 'flannel-vxlan') =>
  summarize(study(), trials).networks.find(({ name }) => name === network)!.cells[0]!;

test('a summary has every network, cell and ratio of the study, and keeps to its schema', () => {
  const summary = summarySchema.parse(summarize(study(), blocks(5, 2000, 1.3)));
  const [host, vxlan] = summary.networks;
  expect(summary.complete).toBe(true);
  expect(host!.cells[0]!.trials).toBe(10);
  expect(host!.cells[0]!.ratioToReference).toEqual({});
  expect(vxlan!.cells[0]!.ratioToReference.p99!.value).toBeCloseTo(1.3, 1);
  expect(vxlan!.cells[0]!.verdicts.p50!.verdict).toBe('worse');
  expect(host!.cells[0]!.cpuRatioToReference).toBeUndefined();
  expect(vxlan!.cells[0]!.cpuRatioToReference!.value).toBeCloseTo(1, 9);
  expect(summary.control.trusted).toBe(true);
  expect(summary.warnings).toEqual([]);
});

test('the order of the trials does not matter', () => {
  const trials = [...blocks(3, 300, 1.2), failedTrial({ id: 'b9-1', block: 9 }, 'it broke')];
  const expected = summarize(study(), trials);
  fc.assert(
    fc.property(fc.shuffledSubarray(trials, { minLength: trials.length }), (shuffled) => {
      expect(summarize(study(), shuffled)).toEqual(expected);
    }),
    { numRuns: 10 },
  );
});

test('quantiles do not fall as they go deeper, and lie in their intervals, whatever the latencies', () => {
  const latencies = fc.array(fc.integer({ min: 1, max: 2_000_000_000 }), { minLength: 1, maxLength: 2000 });
  fc.assert(
    fc.property(fc.array(latencies, { minLength: 1, maxLength: 4 }), (all) => {
      const trials = all.map((values, block) => trial({ id: `b${block}-1`, block }, histogramOf(values)));
      for (const figures of [cellOf(trials).latencyMs, latencyFigures(histogramOf(all[0]!), all[0]!.length)])
        expectSound(QUANTILE_NAMES.map((key) => figures[key]));
    }),
    { numRuns: 50 },
  );
});

/** A tolerance of 1e-9: values are exponentials of means of logarithms. */
function expectSound(figures: readonly Figure[]): void {
  const known = figures.filter((figure) => figure.value !== null);
  for (const [at, { value, low, high }] of known.entries()) {
    expect(value).toBeGreaterThanOrEqual((known[at - 1]?.value ?? 0) * (1 - 1e-9));
    expect(low ?? 0).toBeLessThanOrEqual(value * (1 + 1e-9));
    expect(high ?? Infinity).toBeGreaterThanOrEqual(value * (1 - 1e-9));
  }
}

describe('quantiles that samples cannot carry', () => {
  test('are null with how many samples they need', () => {
    expect(latencyFigures(logNormal(1, 240_000, 1e5), 240_000)['p99.999']).toEqual({
      value: null,
      why: 'needs 368887 samples, has 240000',
    });
  });

  test('are given where all blocks together carry them', () => {
    const cell = cellOf(blocks(3, 2000, 1));
    expect(cell.latencyMs['p99.9'].value).toBeGreaterThan(cell.latencyMs['p99.5'].value!);
    expect(cell.ratioToReference['p99.9']!.value).not.toBeNull();
    expect(cell.latencyMs['p99.99']).toEqual({ value: null, why: 'needs 36887 samples, has 6000' });
    expect(cell.verdicts['p99.99']).toBeUndefined();
  });

  test('are null where they, or their upper end, lie among requests without an answer', () => {
    const figures = latencyFigures(logNormal(1, 9990, 1e5), 10_000);
    expect(figures.p99.value).not.toBeNull();
    expect(figures['p99.9']).toEqual({
      value: null,
      why: 'lies among 10 of 10000 requests that got no answer',
    });
    expect(figures.max.value).toBeNull();
  });

  test('are null in a cell with the number of trials that are to blame', () => {
    const trials = [0, 1, 2].map((block) =>
      trial({ id: `b${block}-1`, block }, logNormal(block, 900, 1e5), { intended: block === 1 ? 1000 : 900 }),
    );
    const { latencyMs } = cellOf(trials);
    expect(latencyMs.p50.value).not.toBeNull();
    expect(latencyMs.p99).toEqual({
      value: null,
      why: 'in 1 of 3 trials: lies among 100 of 1000 requests that got no answer',
    });
  });
});

describe('one block', () => {
  const summary = summarize(study({ blocks: 1 }), blocks(1, 2000, 1.3));

  test('gives figures without intervals, and says so', () => {
    const { latencyMs, ratioToReference, verdicts } = summary.networks[1]!.cells[0]!;
    expect(latencyMs.p99).toMatchObject({ low: null, high: null });
    expect(ratioToReference.p99).toMatchObject({ low: null, high: null });
    expect(verdicts.p99).toEqual({ verdict: 'undecided', blocksNeeded: null });
    expect(summary.warnings.join()).toContain('One block');
  });

  test('cannot tell whether to trust the study', () => {
    expect(summary.control.trusted).toBeNull();
    expect(summary.control.aa.p99).toMatchObject({ low: null, high: null });
  });

  test('gives the quantiles of its one trial, as HdrHistogram has them', () => {
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
  test('does not trust a study whose two runs of the reference differ', () => {
    const trials = Array.from({ length: 5 }, (_, block) => [
      trial({ id: `b${block}-1`, block, role: 'reference', network: 'host' }, logNormal(block, 2000, 1e5)),
      trial(
        { id: `b${block}-2`, block, role: 'control', network: 'host' },
        logNormal(block + 9, 2000, 1.38e5),
      ),
    ]).flat();
    const { control, warnings } = summarize(study({ networks: ['host'] }), trials);
    expect(control.trusted).toBe(false);
    expect(control.aa.p50!.value).toBeCloseTo(1.38, 1);
    expect(warnings[0]).toMatch(/Two runs of the reference differ \(p50 1\.\d\d times/);
  });

  test('is null where the network host was not measured, and nothing stands in for it', () => {
    const trials = blocks(3, 500, 1).filter(({ record }) => record.network !== 'host');
    const summary = summarize(study({ networks: ['flannel-vxlan', 'ipvlan'] }), trials);
    expect(summary.control).toEqual({ aa: {}, trusted: null });
    expect(summary.networks[0]!.cells[0]!.ratioToReference).toEqual({});
    expect(summary.warnings.join()).toContain('host is not in this study');
  });
});

describe('trials that do not count', () => {
  test('are counted, named, and averaged into nothing', () => {
    const good = blocks(3, 500, 1);
    const doubtful = trial({ id: 'b7-3', block: 7 }, logNormal(7, 500, 9e9), { valid: false });
    if (doubtful.record.status !== 'measured') throw new Error('not a measured trial');
    const { certificate } = doubtful.record.load;
    const load = {
      ...doubtful.record.load,
      certificate: { ...certificate, valid: false, reasons: ['it was late'] },
    };
    const invalid: TrialData = { ...doubtful, record: { ...doubtful.record, load } };
    const cell = cellOf([...good, invalid, failedTrial({ id: 'b8-3', block: 8 }, 'no path')]);
    expect(cell).toMatchObject({ trials: 3, invalidTrials: 1, failedTrials: 1 });
    expect(cell.latencyMs).toEqual(cellOf(good).latencyMs);
    expect(cell.certificate.reasons).toEqual(['it was late (1 of 5 trials)', 'no path (1 of 5 trials)']);
  });

  test('leave a cell without figures when there are no others', () => {
    const cell = cellOf([trial({}, logNormal(1, 500, 1e5), { valid: false })]);
    expect(cell).toMatchObject({ trials: 0, invalidTrials: 1, cpuUsPerRequest: null, curve: [] });
    for (const key of LATENCY_KEYS)
      expect(cell.latencyMs[key]).toEqual({ value: null, why: 'no valid trial' });
    expect(cell.certificate.valid).toBe(false);
  });

  test('make the network failed when all of them failed, with the commonest reason', () => {
    const reasons = ['no path', 'no path', 'it broke'];
    const trials = reasons.map((reason, block) => failedTrial({ id: `b${block}-3`, block }, reason));
    const { networks } = summarize(study(), trials);
    expect(networks[1]).toMatchObject({ status: 'failed', reason: 'no path', setup: null });
  });
});

test('a network that the testbed cannot run is listed with its reason', () => {
  const base = study({ networks: ['host', 'flannel-vxlan', 'ipvlan'] });
  const networks = base.networks.map((network) =>
    network.name === 'ipvlan'
      ? { ...network, support: 'no' as const, reason: 'no ipvlan in this kernel' }
      : network,
  );
  const summary = summarize({ ...base, networks }, blocks(5, 300, 1));
  expect(summary.networks[2]).toMatchObject({
    name: 'ipvlan',
    status: 'unsupported',
    reason: 'no ipvlan in this kernel',
    cells: [],
  });
  expect(summary).toMatchObject({ plannedTrials: 15, complete: true });
});

test('CPU per request is weighted by requests, and setup costs are medians', () => {
  const costing = (user: number, n: number, block: number): TrialData => {
    const made = trial({ id: `b${block}`, block }, logNormal(block, n, 1e5), {
      setup: { steps: 10 + block, upMs: [40, 90, 50][block]!, downMs: 20 },
    });
    if (made.record.status !== 'measured') throw new Error('not a measured trial');
    const cost = { ...made.record.metrics.server, cpuUsPerRequest: { user, system: 1, softirq: 0 } };
    return { ...made, record: { ...made.record, metrics: { ...made.record.metrics, server: cost } } };
  };
  const trials = [costing(1, 1000, 0), costing(4, 500, 1), costing(4, 500, 2)];
  expect(cellOf(trials).cpuUsPerRequest!.server).toEqual({ user: 2.5, system: 1, softirq: 0 });
  expect(summarize(study(), trials).networks[1]!.setup).toEqual({ steps: 11, ms: 50, downMs: 20 });
});

test('warm-up counts as no measuring, and a pause before a resume as no time of the study', () => {
  const at = (startedAt: string, block: number): TrialData =>
    trial({ id: `b${block}`, block }, logNormal(block, 100, 1e5), {
      startedAt,
      wallMs: 2000,
      measuredMs: 1000,
    });
  const trials = [
    at('2026-01-01T00:00:01Z', 0),
    at('2026-01-01T00:00:03Z', 1),
    at('2026-01-02T08:00:00Z', 2),
  ];
  expect(summarize(study(), trials)).toMatchObject({ wallS: 7, measuringShare: 3 / 7 });
});

test('a curve rises, has at most 120 points, and ends where the samples end', () => {
  const { curve } = cellOf(blocks(3, 5000, 1));
  expect(curve.length).toBeLessThanOrEqual(120);
  expect(curve[0]!.quantile).toBe(0);
  expect(curve.at(-1)!.quantile).toBeCloseTo(0.025 ** (1 / 15_000), 9);
  for (const [at, point] of curve.entries()) expect(point.ms).toBeGreaterThanOrEqual(curve[at - 1]?.ms ?? 0);
});
