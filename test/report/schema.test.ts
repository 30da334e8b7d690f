import { Ajv2020 } from 'ajv/dist/2020.js';
import { execFileSync } from 'node:child_process';
import { readFileSync } from 'node:fs';
import { expect, test } from 'vitest';
import { fixtureSummary } from './fixture.js';

const published = JSON.parse(readFileSync('schema/summary.schema.json', 'utf8')) as object;
const valid = new Ajv2020().compile(published);

test('the published schema is what the code says', () => {
  execFileSync(process.execPath, ['scripts/schema.mjs', '--check']);
});

test('a validator of another make accepts a summary, and one with keys of a later version', () => {
  expect([valid(fixtureSummary()), valid.errors]).toEqual([true, null]);
  expect(valid({ ...fixtureSummary(), later: true })).toBe(true);
});

test('it refuses a figure that is missing without its reason', () => {
  const summary = fixtureSummary();
  expect(valid({ ...summary, control: { aa: { p99: { value: null } }, trusted: null } })).toBe(false);
});
