import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, test } from 'vitest';
import { SELF_CHECK_LIMITS } from '../../src/load/thresholds.js';
import { CATALOG } from '../../src/network/index.js';

const ROOT = join(import.meta.dirname, '../..');
const read = (name: string): string => readFileSync(join(ROOT, name), 'utf8');

/** The cells of a row as Markdown tables have them, without padding. */
const rows = (text: string): string[] =>
  text
    .split('\n')
    .filter((line) => line.startsWith('|'))
    .map((line) =>
      line
        .split('|')
        .slice(1, -1)
        .map((cell) => cell.trim())
        .join(' | '),
    );

const printLimit = ({ value, unit }: { value: number; unit: string }): string =>
  unit === '%' ? `${Math.round(value * 1000) / 10} %` : `${value.toLocaleString('en-US')} ${unit}`;

describe('METHODOLOGY.md', () => {
  test.each(Object.values(SELF_CHECK_LIMITS))('has the limit on $what', (limit) => {
    expect(rows(read('METHODOLOGY.md'))).toContain(`${limit.what} | ${printLimit(limit)} | ${limit.reason}`);
  });
});

test('docs/paths.md has a row for every network of the catalog', () => {
  const names = rows(read('docs/paths.md')).map((row) => row.split(' | ')[0]);
  expect(names).toEqual(expect.arrayContaining(CATALOG.map(({ name }) => name)));
});
