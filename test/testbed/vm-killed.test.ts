import { execFileSync } from 'node:child_process';
import { existsSync, readdirSync } from 'node:fs';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, expect, test, vi } from 'vitest';
import { barewire, Run, sleep } from '../cli/barewire.js';

let state: string;
beforeEach(async () => {
  state = await mkdtemp(join(tmpdir(), 'barewire-state-'));
  vi.stubEnv('BAREWIRE_STATE', state);
});
afterEach(async () => {
  await barewire(['undo']);
  vi.unstubAllEnvs();
  await rm(state, { recursive: true, force: true });
});

const journals = (): string[] => {
  const folder = join(state, 'journal');
  return existsSync(folder) ? readdirSync(folder) : [];
};
const runOf = (): string => journals()[0]?.split('-')[0] ?? 'none';
/** The guests of a run: QEMU is told where their files are. */
const guests = (run: string): string[] =>
  execFileSync('ps', ['-eo', 'stat=,args='], { encoding: 'utf8' })
    .split('\n')
    .filter((line) => line.includes(`barewire=/run/barewire/${run}-vm/`) && !line.startsWith('Z'));

/** Not those that still wait at their gate for their journal's owner, and never start when it is gone. */
const started = (run: string): string[] => guests(run).filter((line) => !line.includes('read -r go'));

async function untilTwoGuests(): Promise<string> {
  for (let waited = 0; waited < 60_000; waited += 50) {
    await sleep(50);
    if (started(runOf()).length === 2) return runOf();
  }
  throw new Error('no guests were started');
}

const left = (run: string): string[] => [
  ...guests(run),
  ...[`/run/netns/bw-${run}-vm`, `/run/barewire/${run}-vm`].filter((path) => existsSync(path)),
  ...journals(),
];

test('undo removes guests, taps and files of a run that was killed while its guests boot', async () => {
  const killed = new Run(['networks', '--testbed', 'vm']);
  const run = await untilTwoGuests();
  killed.signalGroup('SIGKILL');
  await killed.ended;
  expect(guests(run)).toHaveLength(2);
  const undone = await barewire(['undo']);
  expect(undone.stderr).toBe('');
  expect(undone.stdout).toMatch(new RegExp(`Undid \\d+ steps on testbed \\(run ${run}`));
  expect(left(run)).toEqual([]);
});

test('Ctrl-C while the guests boot ends with 130 and leaves nothing', async () => {
  const interrupted = new Run(['networks', '--testbed', 'vm']);
  const run = await untilTwoGuests();
  interrupted.signalGroup('SIGINT');
  expect((await interrupted.ended).status).toBe(130);
  expect(left(run)).toEqual([]);
});
