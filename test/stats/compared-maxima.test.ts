import { expect, test } from 'vitest';
import { buildComparisonDocument, render } from '../../src/report/index.js';
import { comparisonSchema, findLimit, type StudyRecord } from '../../src/schema/index.js';
import {
  compareStudies,
  offerOf,
  toEvidence,
  openSearches,
  type StudyData,
  type SliceData,
} from '../../src/stats/index.js';
import { restarts, logNormal, normal, seeded, study, slice } from './synthetic.js';

/** A search run to its end, against networks that answer so many; how much a slice carries differs by 1 %. */
function searched(
  seed: number,
  capacities: Readonly<Record<string, number>>,
  changes: Partial<StudyRecord['spec']> = {},
): StudyData {
  const random = seeded(seed);
  const record = study({ maximum: true, ...changes });
  const slices: SliceData[] = restarts(6, 1000, 1.3);
  for (let at = 0; at < 200; at++) {
    const evidence = slices.flatMap(
      (one) => toEvidence(one, findLimit(record.spec.objective), offerOf(record)) ?? [],
    );
    const [next] = openSearches(record, evidence);
    if (next === undefined) return { study: record, slices };
    const { network, rateRps } = next;
    const carried = (capacities[network] ?? 0) * Math.exp(0.01 * normal(random));
    slices.push(searchSlice(`s${at}`, network, rateRps, Math.min(rateRps, carried)));
  }
  throw new Error('the search has no end');
}

function searchSlice(id: string, network: string, rateRps: number, achievedRps: number): SliceData {
  const made = slice({ id, restart: 7, role: 'search', network, rateRps }, logNormal(rateRps, 400, 1e5));
  if (made.record.status !== 'measured') throw new Error('not a measured slice');
  return { ...made, record: { ...made.record, load: { ...made.record.load, achievedRps } } };
}

const before = searched(1, { host: 45_000, 'flannel-vxlan': 36_000 });

test('a lower maximum is a regression', () => {
  const comparison = compareStudies(before, searched(2, { host: 45_000, 'flannel-vxlan': 27_000 }));
  const [host, vxlan] = comparisonSchema.parse(comparison).maxima;
  expect(host).toMatchObject({ network: 'host', byReference: null, regression: false });
  expect(vxlan).toMatchObject({
    network: 'flannel-vxlan',
    direct: { verdict: { verdict: 'worse' } },
    byReference: { verdict: { verdict: 'worse' } },
    regression: true,
  });
  expect(vxlan!.direct.ratio.value).toBeCloseTo(0.75, 1);
  expect(comparison.regression).toBe(true);
  const text = render(buildComparisonDocument(comparison), 'terminal');
  expect(text.replace(/\s+/g, ' ')).toMatch(
    /Regression: flannel-vxlan, 350B: the maximum is 0\.7\d* \(0\.\d+–0\.\d+\) times the base's \(margin 5 %\)/,
  );
  expect(text).toMatch(/flannel-vxlan 350B .*▼ regression/);
});

test('a slower machine is a regression of the reference only', () => {
  const { maxima } = compareStudies(before, searched(3, { host: 36_000, 'flannel-vxlan': 28_800 }));
  expect(maxima.map(({ network, regression }) => [network, regression])).toEqual([
    ['host', true],
    ['flannel-vxlan', false],
  ]);
});

test('a higher maximum is better and an equal one is no regression', () => {
  const risen = compareStudies(before, searched(4, { host: 45_000, 'flannel-vxlan': 44_000 })).maxima[1];
  expect(risen).toMatchObject({ direct: { verdict: { verdict: 'better' } }, regression: false });
  const same = compareStudies(before, searched(5, { host: 45_000, 'flannel-vxlan': 36_000 }));
  expect([same.regression, same.maxima.length]).toEqual([false, 2]);
});

test('maxima under different objectives are not compared', () => {
  const other = searched(6, { host: 45_000, 'flannel-vxlan': 36_000 });
  const limit = { latency: 'p50', limitMs: 2 } as const;
  const objective = [{ kind: 'maximum', limit, weight: 1 } as const];
  const spec = { ...other.study.spec, objective };
  const comparison = compareStudies(before, { ...other, study: { ...other.study, spec } });
  expect(comparison.maxima).toEqual([]);
  expect(comparison.warnings).toContainEqual({ code: 'settings-differ', names: ['objective'] });
});
