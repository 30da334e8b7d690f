import { expect, test } from 'vitest';
import { summarySchema } from '../../src/schema/index.js';
import { summarize, type Histogram, type TrialData } from '../../src/stats/index.js';
import { histogramOf, normal, seeded, study, trial } from './synthetic.js';

const logNormal = (seed: number, n: number, medianNs: number): Histogram => {
  const random = seeded(seed);
  return histogramOf(Array.from({ length: n }, () => medianNs * Math.exp(0.3 * normal(random))));
};

/** Both runs of the reference and one of the contender, in each block. */
const blocks = (count: number, n: number, factor: number): TrialData[] =>
  Array.from({ length: count }, (_, block) => [
    trial({ id: `b${block}-1`, block, role: 'reference', network: 'host' }, logNormal(block, n, 1e5)),
    trial({ id: `b${block}-2`, block, role: 'control', network: 'host' }, logNormal(block + 100, n, 1e5)),
    trial({ id: `b${block}-3`, block, role: 'contender' }, logNormal(block + 200, n, 1e5 * factor)),
  ]).flat();

test('a summary has every network, cell and ratio of the study, and keeps to its schema', () => {
  const summary = summarySchema.parse(summarize(study(), blocks(5, 2000, 1.3)));
  const [host, vxlan] = summary.networks;
  expect(summary.complete).toBe(true);
  expect(host!.cells[0]!.trials).toBe(10);
  expect(host!.cells[0]!.ratioToReference).toEqual({});
  expect(vxlan!.cells[0]!.ratioToReference.p99!.value).toBeCloseTo(1.3, 1);
  expect(vxlan!.cells[0]!.verdicts.p50!.verdict).toBe('worse');
  expect(summary.control.trusted).toBe(true);
  expect(summary.warnings).toEqual([]);
});
