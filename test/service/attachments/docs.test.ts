import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { expect, test } from 'vitest';
import { ROOT } from './connector.js';
import { EXPECTED } from './expected.js';

const COLUMNS = ['bridge', 'macvlan', 'ipvlan-l3s', 'ipvlan-l3', 'ipvlan-l2'];
const cells = (line: string): string[] =>
  line
    .split('|')
    .slice(1, -1)
    .map((cell) => cell.trim());

test('the table of attachments in docs/node.md is what the nodes of the tests have shown', () => {
  const lines = readFileSync(join(ROOT, 'docs/node.md'), 'utf8').split('\n');
  const start = lines.findIndex((line) => line.startsWith('| from → to'));
  const table = lines.slice(start, lines.indexOf('', start)).map(cells);
  expect(table[0]?.slice(1)).toEqual(['bridge, ptp', ...COLUMNS.slice(1).map((name) => name)]);
  const rows = table.slice(2);
  expect(rows.length).toBeGreaterThan(12);
  for (const [name = '', ...shown] of rows)
    expect([name, ...shown]).toEqual([
      name,
      ...COLUMNS.map((column) => {
        const { seen, hooks } = EXPECTED[column] ?? { seen: {}, hooks: {} };
        return seen[name] ?? hooks[name.replace('hooks: ', '')]?.replaceAll(' ', ', ');
      }),
    ]);
  expect(EXPECTED['ptp']).toEqual(EXPECTED['bridge']);
});
