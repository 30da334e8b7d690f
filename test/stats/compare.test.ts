import { describe, expect, test } from 'vitest';
import { comparisonSchema, type Comparison, type StudyRecord } from '../../src/schema/index.js';
import { compareStudies, type StudyData, type SliceData } from '../../src/stats/index.js';
import { histogramOf, normal, seeded, study, slice } from './synthetic.js';

interface Machine {
  /** The reference's median, and how many times as long the contender takes. */
  readonly referenceNs: number;
  readonly factor: number;
}

/** A run of some restarts; every slice settles at a level of its own, 1 % apart. */
function run(
  random: () => number,
  { referenceNs, factor }: Machine,
  changes: Partial<StudyRecord> = {},
): StudyData {
  const settled = (medianNs: number) => {
    const level = medianNs * Math.exp(0.01 * normal(random));
    return histogramOf(Array.from({ length: 400 }, () => level * Math.exp(0.1 * normal(random))));
  };
  const slices = Array.from({ length: 6 }, (_, restart): SliceData[] => [
    slice({ id: `r${restart}-1`, restart, role: 'reference', network: 'host' }, settled(referenceNs)),
    slice({ id: `r${restart}-2`, restart, role: 'control', network: 'host' }, settled(referenceNs)),
    slice({ id: `r${restart}-3`, restart, role: 'contender' }, settled(referenceNs * factor)),
  ]).flat();
  return { study: { ...study(), ...changes }, slices };
}

const p50Of = ({ cells }: Comparison, network: string) =>
  cells.find((cell) => cell.network === network)!.figures.p50;

test('a comparison has the cells of both runs and satisfies its schema', () => {
  const random = seeded(41);
  const same = { referenceNs: 1e5, factor: 1.3 };
  const comparison = comparisonSchema.parse(compareStudies(run(random, same), run(random, same)));
  expect(comparison.cells.map(({ network }) => network)).toEqual(['flannel-vxlan', 'host']);
  expect(comparison).toMatchObject({
    regression: false,
    warnings: [],
    environment: [],
    spec: [],
    onlyA: [],
    onlyB: [],
  });
  expect(p50Of(comparison, 'flannel-vxlan').direct.verdict).toEqual({
    verdict: 'equivalent',
    restartsNeeded: null,
  });
  expect(p50Of(comparison, 'host').byReference).toBeNull();
});

test('a slower network is a regression, directly and by the reference', () => {
  const random = seeded(42);
  const [a, b] = [
    run(random, { referenceNs: 1e5, factor: 1.3 }),
    run(random, { referenceNs: 1e5, factor: 1.5 }),
  ];
  const p50 = p50Of(compareStudies(a, b), 'flannel-vxlan');
  expect(p50.direct).toMatchObject({ verdict: { verdict: 'worse' } });
  expect(p50.byReference!.ratio.value).toBeCloseTo(1.5 / 1.3, 1);
  expect(p50.byReference).toMatchObject({ verdict: { verdict: 'worse' } });
  expect(p50.regression).toBe(true);
  expect(p50Of(compareStudies(b, a), 'flannel-vxlan')).toMatchObject({
    regression: false,
    direct: { verdict: { verdict: 'better' } },
  });
});

test('a slower machine is a regression of the reference but not of the network', () => {
  const random = seeded(43);
  const slower = run(random, { referenceNs: 1.4e5, factor: 1.3 });
  const comparison = compareStudies(run(random, { referenceNs: 1e5, factor: 1.3 }), slower);
  expect(p50Of(comparison, 'host').regression).toBe(true);
  expect(p50Of(comparison, 'flannel-vxlan')).toMatchObject({
    regression: false,
    direct: { verdict: { verdict: 'worse' } },
    byReference: { verdict: { verdict: 'equivalent' } },
  });
});

test('a significant difference within the margin is no regression', () => {
  const random = seeded(44);
  const [a, b] = [
    run(random, { referenceNs: 1e5, factor: 1.3 }),
    run(random, { referenceNs: 1e5, factor: 1.33 }),
  ];
  expect(p50Of(compareStudies(a, b), 'flannel-vxlan')).toMatchObject({ regression: false });
});

describe('differences between the runs are reported', () => {
  const random = seeded(45);
  const machine = { referenceNs: 1e5, factor: 1.3 };
  const before = run(random, machine);

  test('hosts by changed facts, without counters since boot', () => {
    const environment = { client: { kernel: '6.19', stealSinceBootS: 4 } };
    const comparison = compareStudies(before, run(random, machine, { environment }));
    expect(comparison.environment).toEqual([{ host: 'client', name: 'kernel', a: '6.18', b: '6.19' }]);
    expect(comparison.warnings).toContainEqual({ code: 'hosts-differ', names: ['kernel'] });
  });

  test('hosts that both have', () => {
    const { client } = study().environment;
    const environment = { client: client ?? {}, 'client of pod-fast': { kernel: '6.18' } };
    const after = run(random, machine, { environment });
    expect(compareStudies(before, after).environment).toEqual([]);
    expect(compareStudies(after, before).environment).toEqual([]);
  });

  test('settings except the seed', () => {
    const comparison = compareStudies(before, run(random, machine, study({ connections: 20, seed: 9 })));
    expect(comparison.spec).toEqual([{ host: null, name: 'connections', a: 10, b: 20 }]);
  });

  test('each option of the testbed by its own path', () => {
    const withOptions = (options: unknown) => {
      const { spec } = study();
      return run(random, machine, { spec: { ...spec, testbed: { kind: 'kubernetes', options } } });
    };
    const templateOf = (runtimeClassName: string) => ({
      context: 'here',
      nodes: ['a', 'b'],
      templates: { 'pod-fast': { like: 'pod', pod: { spec: { runtimeClassName } } } },
    });
    const before = withOptions(templateOf('runc'));
    const after = withOptions({ ...templateOf('kata'), nodes: ['a', 'c'] });
    expect(compareStudies(before, after).spec).toEqual([
      { host: null, name: 'testbed.nodes', a: '["a","b"]', b: '["a","c"]' },
      {
        host: null,
        name: 'testbed.templates.pod-fast.pod.spec.runtimeClassName',
        a: 'runc',
        b: 'kata',
      },
    ]);
  });

  test('cells of only one run', () => {
    const after = run(random, machine);
    const ipvlan = slice({ id: 'r1-9', network: 'ipvlan', rateRps: 5000 }, histogramOf([1e5]));
    const comparison = compareStudies(before, { ...after, slices: [...after.slices, ipvlan] });
    expect(comparison.onlyB).toEqual([
      { network: 'ipvlan', workload: '350B', rateRps: 5000, rateOfMax: null },
    ]);
    expect(comparison.cells).toHaveLength(2);
  });

  test('runs without a common cell', () => {
    const comparison = compareStudies(before, { ...before, slices: [] });
    expect(comparison).toMatchObject({ cells: [], regression: false });
    expect(comparison.warnings[0]).toEqual({ code: 'nothing-in-common' });
  });
});

test('the same share of another maximum is the same cell at another load, with a finding', () => {
  const random = seeded(46);
  const shared = (rateRps: number): StudyData => {
    const made = run(random, { referenceNs: 1e5, factor: 1.3 });
    const slices = made.slices.map((one) => ({ ...one, record: { ...one.record, rateRps, rateOfMax: 0.5 } }));
    return { ...made, slices };
  };
  const comparison = compareStudies(shared(1000), shared(1200));
  expect(comparison.cells[0]).toMatchObject({ rateOfMax: 0.5, rateRps: { a: 1000, b: 1200 } });
  expect(comparison.warnings.map(({ code }) => code)).toContain('reference-maximum-differs');
});

test('CPU per request is compared like a latency', () => {
  const random = seeded(47);
  const made = run(random, { referenceNs: 1e5, factor: 1.3 });
  const dearer = made.slices.map((one): SliceData => {
    if (one.record.status !== 'measured' || one.record.network === 'host') return one;
    const { client, server } = one.record.metrics;
    const costs = {
      ...server,
      cpuUsPerRequest: { user: 2, system: 6, softirq: 3 + 0.01 * one.record.restart },
    };
    return { ...one, record: { ...one.record, metrics: { client, server: costs } } };
  });
  const { cells } = compareStudies(made, { ...made, slices: dearer });
  const { cpu } = cells[0]!.figures;
  expect(cpu.a.value).toBeCloseTo(14, 9);
  expect(cpu).toMatchObject({ regression: true, byReference: { verdict: { verdict: 'worse' } } });
});

test('at most 5 of 100 comparisons of equal runs report a difference', { timeout: 120_000 }, () => {
  const random = seeded(48);
  const machine = { referenceNs: 1e5, factor: 1.3 };
  let wrong = 0;
  for (let repeat = 0; repeat < 100; repeat++) {
    const { cells } = compareStudies(run(random, machine), run(random, machine));
    const verdicts = cells.flatMap(({ figures }) =>
      Object.values(figures).flatMap(({ direct, byReference }) => [direct.verdict, byReference?.verdict]),
    );
    if (verdicts.some((verdict) => verdict?.verdict === 'better' || verdict?.verdict === 'worse')) wrong++;
  }
  // Two families of verdicts, directly and by the reference, each at 5 %.
  expect(wrong).toBeLessThanOrEqual(10);
});

describe('a regression exceeds the margin by more than chance', () => {
  test('an interval that reaches into the margin is no regression', () => {
    const random = seeded(50);
    const unsteady = (factor: number): StudyData => {
      const { study: record, slices } = run(random, { referenceNs: 1e5, factor });
      return { study: record, slices: slices.filter(({ record: { restart } }) => restart < 2) };
    };
    const p50 = p50Of(compareStudies(unsteady(1), unsteady(1.08)), 'flannel-vxlan');
    expect(p50.direct.ratio.value).toBeGreaterThan(1.05);
    expect(p50.regression).toBe(false);
  });

  test('the requested margin decides', () => {
    const random = seeded(51);
    const [a, b] = [1, 1.2].map((factor) => run(random, { referenceNs: 1e5, factor })) as [
      StudyData,
      StudyData,
    ];
    expect([0.05, 0.3].map((margin) => compareStudies(a, b, { margin }).regression)).toEqual([true, false]);
    expect(compareStudies(a, b, { margin: 0.3 }).margin).toBe(0.3);
  });

  test('a direct ratio of different loads has no verdict and is no regression', () => {
    const random = seeded(52);
    const at = (rateRps: number, referenceNs: number): StudyData => {
      const made = run(random, { referenceNs, factor: 1.3 });
      const slices = made.slices.map((one) => ({
        ...one,
        record: { ...one.record, rateRps, rateOfMax: 0.5 },
      }));
      return { ...made, slices };
    };
    const comparison = compareStudies(at(1000, 1e5), at(1500, 2e5));
    expect(p50Of(comparison, 'host').direct).toMatchObject({ verdict: null });
    expect(p50Of(comparison, 'host').direct.ratio.value).toBeCloseTo(2, 1);
    expect(comparison.regression).toBe(false);
  });

  test(
    'a change equal to the margin is called a regression in at most 5 of 100 comparisons',
    { timeout: 120_000 },
    () => {
      const random = seeded(53);
      let alarms = 0;
      for (let repeat = 0; repeat < 100; repeat++) {
        const before = run(random, { referenceNs: 1e5, factor: 1.3 });
        const after = run(random, { referenceNs: 1e5, factor: 1.3 * 1.05 });
        if (compareStudies(before, after).regression) alarms++;
      }
      expect(alarms).toBeLessThanOrEqual(5);
    },
  );
});

test('refused lines and too few restarts are reported for their run', () => {
  const random = seeded(54);
  const made = run(random, { referenceNs: 1e5, factor: 1.3 });
  const refused = [{ code: 'line-not-json' as const, file: 'slices.jsonl, line 3' }];
  const three = {
    ...made,
    directory: 'today',
    refused,
    slices: made.slices.filter(({ record }) => record.restart < 3),
  };
  const { a, b, warnings } = compareStudies(made, three);
  expect([a.refused, b.refused, b.directory]).toEqual([[], refused, 'today']);
  expect(warnings).toEqual([{ code: 'few-restarts', restarts: 3, scope: 'new' }]);
});

test('excluded slices are counted for each run', () => {
  const random = seeded(55);
  const made = run(random, { referenceNs: 1e5, factor: 1.3 });
  const doubted = made.slices.map((one, at): SliceData =>
    one.record.status === 'measured' && at < 4 ? { ...one, record: { ...one.record, valid: false } } : one,
  );
  expect(compareStudies(made, { ...made, slices: doubted }).warnings).toEqual([
    { code: 'slices-invalid', invalid: 4, slices: 18, scope: 'new' },
  ]);
});
