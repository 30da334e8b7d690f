import { expect, test } from 'vitest';
import { buildStudyDocument, render } from '../../src/report/index.js';
import type { Summary } from '../../src/schema/index.js';
import { fixtureSummary } from './fixture.js';

/** A study whose vxlan has these p99 ratios at 30 % and 50 % of the maximum. */
function withRatios(at30: number, at50: number): Summary {
  const summary = fixtureSummary();
  const [base] = summary.networks[0]?.cells ?? [];
  if (base === undefined) throw new Error('a fixture without cells');
  const around = (value: number) => ({ value, low: value * 0.95, high: value * 1.05 });
  const cells = (
    [
      [0.3, at30],
      [0.5, at50],
    ] as const
  ).map(([rateOfMax, ratio]) => ({
    ...base,
    workload: '350B',
    rateOfMax,
    ratioToReference: { ...base.ratioToReference, p95: around(ratio), p99: around(ratio) },
  }));
  const networks = summary.networks
    .filter(({ name }) => name === 'flannel-vxlan')
    .map((one) => ({ ...one, cells }));
  return { ...summary, article: 'scaled', networks };
}

test('a ratio that the cut values of the article allow agrees', () => {
  // 1.2/0.5 and 1.5/0.6 at 150,000/s, 1.5/0.7 and 1.9/0.8 at 250,000/s.
  const text = render(buildStudyDocument(withRatios(2.4, 2.2)), 'markdown');
  expect(text).toContain('Beside the article of 2015');
  expect(text).toContain('50,000 requests/s there are 10 % of the maximum of host here');
  expect(text).toMatch(/Of 4 ratios to host that both have, 4 agree/);
});

test('a caveat of a network is below the table', () => {
  const summary = withRatios(2.4, 2.2);
  const caveat = { code: 'limitation', limitation: 'vpc-namespace' } as const;
  const networks = summary.networks.map((network) => ({ ...network, caveat }));
  const [, text = ''] = render(buildStudyDocument({ ...summary, networks }), 'markdown').split(
    'Beside the article of 2015',
  );
  expect(text).toMatch(
    /flannel-vxlan: A namespace of this machine routes in place of the VPC\..*\n+.*The article measured once/,
  );
});

test('a ratio beyond them differs, with its direction', () => {
  const text = render(buildStudyDocument(withRatios(9, 1.1)), 'markdown');
  expect(text).toMatch(/Of 4 ratios to host that both have, 0 agree/);
  expect(text).toContain('higher here');
  expect(text).toContain('lower here');
});

test('other studies have no such section', () => {
  expect(render(buildStudyDocument(fixtureSummary()), 'markdown')).not.toContain('article of 2015');
});
