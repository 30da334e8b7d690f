import { Ajv2020 } from 'ajv/dist/2020.js';
import { execFileSync } from 'node:child_process';
import { readFileSync } from 'node:fs';
import { expect, test } from 'vitest';
import { fixtureSummary } from '../report/fixture.js';

const published = JSON.parse(readFileSync('schema/summary.schema.json', 'utf8')) as object;
const valid = new Ajv2020().compile(published);

test('the published schemas equal those of the code', () => {
  execFileSync(process.execPath, ['scripts/schema.mjs', '--check']);
});

test('an independent validator accepts a summary and additional keys', () => {
  expect([valid(fixtureSummary()), valid.errors]).toEqual([true, null]);
  expect(valid({ ...fixtureSummary(), later: true })).toBe(true);
});

test('an independent validator refuses a missing estimate without a finding', () => {
  const summary = fixtureSummary();
  expect(valid({ ...summary, control: { aa: { p99: { value: null } }, trusted: null } })).toBe(false);
});
