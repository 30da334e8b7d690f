import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, test } from 'vitest';
import { SELF_CHECK_LIMITS } from '../../src/load/thresholds.js';
import { CATALOG } from '../../src/network/index.js';
import { tableRows } from './table-rows.js';

const ROOT = join(import.meta.dirname, '../..');
const read = (name: string): string => readFileSync(join(ROOT, name), 'utf8');

const printLimit = ({ value, unit }: { value: number; unit: string }): string =>
  unit === '%' ? `${Math.round(value * 1000) / 10} %` : `${value.toLocaleString('en-US')} ${unit}`;

describe('METHODOLOGY.md', () => {
  test.each(Object.values(SELF_CHECK_LIMITS))('has the limit on $what', (limit) => {
    expect(tableRows(read('METHODOLOGY.md'))).toContain(
      `${limit.what} | ${printLimit(limit)} | ${limit.reason}`,
    );
  });
});

test('docs/paths.md has a row for every network of the catalog', () => {
  const names = tableRows(read('docs/paths.md')).map((row) => row.split(' | ')[0]);
  expect(names).toEqual(expect.arrayContaining(CATALOG.map(({ name }) => name)));
});
