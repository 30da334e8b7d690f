import { expect, test } from 'vitest';
import type { Estimate, Summary } from '../../src/schema/index.js';
import { fixtureSummary } from './fixture.js';
import { pageText } from './page-text.js';
import { renderStudy } from './rendered.js';

const FOUND: Estimate = { value: 81_000, low: 79_000, high: 83_000 };
const LIMITED: Estimate = { value: 155_000, low: 155_000, high: null };
const NONE: Estimate = {
  value: null,
  finding: { code: 'no-rate-sustained', objective: 'p99<2ms', lowestRps: 4000 },
};

function summaryWith(maxima: Readonly<Record<string, Estimate>>): Summary {
  const summary = fixtureSummary();
  const networks = summary.networks.map((network) =>
    network.name === 'host'
      ? { ...network, maxRps: Object.values(maxima)[0] ?? null, maxRpsByWorkload: { ...maxima } }
      : network,
  );
  return { ...summary, maximumLimit: 'p99<2ms', networks };
}
const inAll = (summary: Summary): string[] => [
  renderStudy(summary, 'terminal', 200),
  renderStudy(summary, 'markdown').replace(/\\(.)/g, '$1'),
  pageText(renderStudy(summary, 'html')),
];

test('a maximum is shown with its interval and its condition', () => {
  for (const text of inAll(summaryWith({ '350B': FOUND }))) {
    expect(text).toMatch(/81,000/);
    expect(text).toMatch(/79,000–83,000/);
    expect(text).toContain('99 % of it achieved and p99<2ms');
    expect(text).not.toContain('the load generator is the limit');
  }
});

test('a maximum that the generator limits is shown as a lower bound', () => {
  for (const text of inAll(summaryWith({ '350B': LIMITED }))) {
    expect(text).toContain('≥ 155,000');
    expect(text).toContain('the load generator is the limit');
  }
});

test('a network that misses the objective at every rate has a finding instead of a maximum', () => {
  for (const text of inAll(summaryWith({ '350B': NONE })))
    expect(text).toMatch(/no rate was sustained, down to 4,000 requests\/s/);
});

test('each workload has its own maximum', () => {
  const summary = summaryWith({ '350B': FOUND, '4KB': LIMITED });
  for (const text of inAll(summary)) {
    expect(text).toContain('maximum requests/s, 350B');
    expect(text).toContain('maximum requests/s, 4KB');
  }
  const rows = renderStudy(summary, 'csv').split('\r\n');
  for (const row of rows.filter((line) => line.includes(',host,host,')))
    expect(row).toContain(row.includes(',4KB,') ? ',155000,' : ',81000,');
});

test('without a search the reports state that the maximum was not measured', () => {
  for (const text of inAll(fixtureSummary())) expect(text).toContain('the maximum was not measured');
});
