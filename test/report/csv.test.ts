import { expect, test } from 'vitest';
import { describeFinding } from '../../src/report/index.js';
import { LATENCY_KEYS, type Cell, type Summary } from '../../src/schema/index.js';
import { fixtureSummary } from './fixture.js';
import { renderStudy } from './rendered.js';

/** RFC 4180, straight from its grammar. */
function parseCsv(text: string): string[][] {
  const fields = [...text.matchAll(/(?:"((?:[^"]|"")*)"|([^",\r\n]*))(,|\r\n)/g)];
  const rows: string[][] = [[]];
  for (const [, quoted, plain = '', end] of fields) {
    rows.at(-1)?.push(quoted?.replaceAll('""', '"') ?? plain);
    if (end === '\r\n') rows.push([]);
  }
  rows.pop();
  return rows;
}

function records(summary: Summary): Record<string, string>[] {
  const [header = [], ...rows] = parseCsv(renderStudy(summary, 'csv'));
  for (const row of rows) expect(row).toHaveLength(header.length);
  return rows.map((row) => Object.fromEntries(header.map((name, index) => [name, row[index] ?? ''])));
}

const summary = fixtureSummary();

test('has a row for each network and cell, and one for a network without cells', () => {
  const expected = summary.networks.flatMap(({ name, cells }) =>
    cells.length === 0
      ? [`${name}||`]
      : cells.map(({ workload, rateRps }) => `${name}|${workload}|${rateRps}`),
  );
  const found = records(summary).map((row) => `${row['network']}|${row['workload']}|${row['rate_rps']}`);
  expect(found).toEqual(expected);
});

test('has every estimate at full precision, and an empty field with a finding for a missing one', () => {
  const cells: Cell[] = summary.networks.flatMap((network) => network.cells);
  const rows = records(summary).filter((row) => row['workload'] !== '');
  for (const [index, cell] of cells.entries())
    for (const key of LATENCY_KEYS) {
      const figure = cell.latencyMs[key];
      const name = `latency_${key}_ms`;
      const field = (end: string): string => rows[index]?.[name + end] ?? '';
      if (figure.value === null)
        expect([field(''), field('_low'), field('_finding')]).toEqual([
          '',
          '',
          describeFinding(figure.finding),
        ]);
      else
        expect([
          Number(field('')),
          field('_low') === '' ? null : Number(field('_low')),
          field('_finding'),
        ]).toEqual([figure.value, figure.low, '']);
    }
});

test('preserves text with commas, quotes and line breaks', () => {
  const message = 'ip: "no, never",\r\nand then\nnothing';
  const finding = { code: 'slice-failed', error: 'step-failed', message } as const;
  const networks = summary.networks.map((network) => ({ ...network, finding }));
  expect(records({ ...summary, networks })[0]?.['finding']).toBe(message);
});
