import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, expect, test, vi } from 'vitest';
import { describeFinding } from '../../src/report/index.js';
import type { StudyRecord, Summary } from '../../src/schema/index.js';
import { barewire } from '../cli/barewire.js';
import { assertNothingLeft, snapshotMachine } from '../leaks.js';

vi.setConfig({ testTimeout: 120_000 });

const NAME = 'flannel-aws-vpc';
const CAVEAT = describeFinding({ code: 'limitation', limitation: 'vpc-namespace' });
const SPEC = `networks: [host, ${NAME}]\nrates: [5000]\nrestarts: 1\nrounds: 1\nslice: 300ms\nwarmup: 50ms\n`;

let folder: string;
let spec: string;
beforeAll(() => {
  folder = mkdtempSync(join(tmpdir(), 'barewire-vpc-study-'));
  spec = join(folder, 'spec.yaml');
  writeFileSync(spec, SPEC);
});
afterAll(() => rmSync(folder, { recursive: true }));

const words = (text: string): string => text.replace(/\s+/g, ' ');

test('a study measures flannel-aws-vpc, prints its caveat beside the figures, and leaves nothing', async () => {
  const before = await snapshotMachine();
  const out = join(folder, 'results');
  const { stdout, stderr } = await barewire(['study', spec, '--out', out]);
  const summary = JSON.parse(readFileSync(join(out, 'summary.json'), 'utf8')) as Summary;
  expect(summary.networks.find(({ name }) => name === NAME)?.status, stderr).toBe('measured');
  const study = JSON.parse(readFileSync(join(out, 'study.json'), 'utf8')) as StudyRecord;
  expect(study.networks.find(({ name }) => name === NAME)?.caveat).toEqual({
    code: 'limitation',
    limitation: 'vpc-namespace',
  });
  // Below the table over all rates, those of the rate, and in what the study does not show; one restart may decide nothing.
  expect(words(stdout).split(`${NAME}: ${CAVEAT}`).length).toBeGreaterThanOrEqual(4);
  expect(readFileSync(join(out, 'summary.csv'), 'utf8')).toContain('a namespace routes in place of the VPC');
  await assertNothingLeft(before);
});

test('the plan and the list of networks have the caveat of flannel-aws-vpc', async () => {
  const plan = await barewire(['study', spec, '--dry-run']);
  expect(plan.stdout).toContain(`# ${CAVEAT}`);
  expect(plan.stdout).toContain('route add 198.19.2.0/24 via 198.18.1.1 dev vpc0');
  const list = await barewire(['networks']);
  expect(list.stdout).toContain(CAVEAT);
});
