import { existsSync } from 'node:fs';
import { expect, test } from 'vitest';
import { barewire, Run, sleep } from '../cli/barewire.js';
import { emulatorsOf, useOwnState } from '../cli/own-state.js';

const own = useOwnState();
const guests = (run: string): string[] => emulatorsOf(run, 'vm/');

/** Not those that still wait at their gate for their journal's owner, and never start when it is gone. */
const started = (run: string): string[] => guests(run).filter((line) => !line.includes('read -r go'));

async function untilTwoGuests(): Promise<string> {
  for (let waited = 0; waited < 60_000; waited += 50) {
    await sleep(50);
    if (started(own.run()).length === 2) return own.run();
  }
  throw new Error('no guests were started');
}

const left = (run: string): string[] => [
  ...guests(run),
  ...[`/run/netns/bw-${run}-vm`, `/run/barewire/${run}-vm`].filter((path) => existsSync(path)),
  ...own.journals(),
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
