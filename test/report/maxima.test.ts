import { expect, test } from 'vitest';
import { csvReport, htmlReport, markdownReport, terminalReport } from '../../src/report/index.js';
import type { Estimate, Summary } from '../../src/schema/index.js';
import { fixtureSummary } from './fixture.js';

const FOUND: Estimate = { value: 81_000, low: 79_000, high: 83_000 };
const LIMITED: Estimate = { value: 155_000, low: 155_000, high: null };
const NONE: Estimate = { value: null, why: 'p99<2ms: no rate held, down to 4000 requests/s' };

function summaryWith(maxima: Readonly<Record<string, Estimate>>): Summary {
  const summary = fixtureSummary();
  const networks = summary.networks.map((network) =>
    network.name === 'host'
      ? { ...network, maxRps: Object.values(maxima)[0] ?? null, maxRpsByWorkload: { ...maxima } }
      : network,
  );
  return { ...summary, objective: 'p99<2ms', networks };
}
const inAll = (summary: Summary): string[] => [
  terminalReport(summary, { colour: false, width: 200 }),
  markdownReport(summary),
  htmlReport(summary).replaceAll('<wbr />', ''),
];

test('a maximum is shown with its interval and with what held', () => {
  for (const text of inAll(summaryWith({ '350B': FOUND }))) {
    expect(text).toMatch(/81,000/);
    expect(text).toMatch(/79,000–83,000/);
    expect(text).toMatch(/highest rate of which 99 % is answered and p99(\\?<|&lt;)2ms holds/);
    expect(text).not.toContain('the load generator is the limit');
  }
});

test('a maximum that the generator limits is a least one, and says so', () => {
  for (const text of inAll(summaryWith({ '350B': LIMITED }))) {
    expect(text).toContain('≥ 155,000');
    expect(text).toContain('the load generator is the limit');
  }
});

test('a network that cannot hold the objective has no maximum, with the reason', () => {
  for (const text of inAll(summaryWith({ '350B': NONE })))
    expect(text).toMatch(/no rate held, down to 4000 requests\/s/);
});

test('each workload has a maximum of its own', () => {
  const summary = summaryWith({ '350B': FOUND, '4KB': LIMITED });
  for (const text of inAll(summary)) {
    expect(text).toContain('maximum requests/s, 350B');
    expect(text).toContain('maximum requests/s, 4KB');
  }
  const rows = csvReport(summary).split('\r\n');
  for (const row of rows.filter((line) => line.includes(',host,host,')))
    expect(row).toContain(row.includes(',4KB,') ? ',155000,' : ',81000,');
});

test('where no maximum was searched for the reports say how to', () => {
  for (const text of inAll(fixtureSummary())) expect(text).toContain('no maximum was searched for');
});
