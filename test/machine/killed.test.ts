import { existsSync } from 'node:fs';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, test } from 'vitest';
import { openJournals, undoAll } from '../../src/machine/index.js';
import { command, everyKind, openScene, program, sh, type Scene } from './scene.js';
import { buildStandIn, killGroup, untilKilled, until, type Part, type StandIn } from './stand-in.js';

let standIn: StandIn;
let scene: Scene;
beforeAll(async () => (standIn = await buildStandIn()));
afterAll(() => standIn[Symbol.dispose]());
beforeEach(() => (scene = openScene()));
afterEach(() => scene[Symbol.dispose]());

/** Fourteen steps and a process; the process ignores SIGTERM, and is the fifteenth. */
const network = (): Pick<Part, 'steps' | 'processes'> => ({
  steps: everyKind(`${scene.netns}-c`, scene.folder),
  processes: [
    program('stubborn', ['sh', '-c', `trap "" TERM; sleep 1000 & wait; : ${scene.run}`], `${scene.netns}-c`),
  ],
});
const STEPS = 15;
const places = [...Array.from({ length: STEPS }, (_, index) => index + 1), STEPS + 0.5];

const runningProcesses = (): string =>
  sh('ps', '-eo', 'args=')
    .split('\n')
    .filter((line) => line.includes(scene.run) && !line.startsWith('ps '))
    .join('\n');

async function expectPutBack(before: string): Promise<void> {
  await undoAll();
  expect(scene.dump()).toBe(before);
  expect(existsSync(join(scene.folder, 'a'))).toBe(false);
  expect(existsSync(`/run/netns/${scene.netns}-c`)).toBe(false);
  expect(runningProcesses()).toBe('');
  expect(await openJournals()).toEqual([]);
}

describe('a study that is killed with its whole group', () => {
  test.each(places)('at step %d is undone from its journal', async (at) => {
    const before = scene.dump();
    const part: Part = { run: scene.run, reach: 'here', netns: scene.netns, ...network() };
    const child = standIn.start([part], { netns: scene.netns, killAtStep: at });
    expect(await untilKilled(child)).toBe('SIGKILL');
    expect(await openJournals()).toMatchObject([{ run: scene.run, host: 'host0' }]);
    await expectPutBack(before);
  });

  test.each([2, 8, 15, 15.5])(
    "while its agent applies step %d is undone from the agent's journal",
    async (at) => {
      const before = scene.dump();
      const part: Part = { run: scene.run, reach: 'agent', netns: scene.netns, ...network() };
      const child = standIn.start([part], { killAtStep: at });
      expect(await untilKilled(child)).toBe('SIGKILL');
      await expectPutBack(before);
    },
  );

  test.each(Array.from({ length: 10 }, (_, index) => index * 8))(
    'while it applies steps, %d ms after the start, is undone',
    async (ms) => {
      const before = scene.dump();
      const child = standIn.start([{ run: scene.run, reach: 'agent', netns: scene.netns, ...network() }]);
      await until(child, 'taking');
      await sleep(ms);
      killGroup(child);
      await untilKilled(child);
      await expectPutBack(before);
    },
  );

  test.each([0, 10, 30, 60, 90])('while it undoes, %d ms after the start, is undone', async (ms) => {
    const before = scene.dump();
    const part: Part = { run: scene.run, reach: 'agent', netns: scene.netns, ...network(), processes: [] };
    const child = standIn.start([part], { undo: true });
    await until(child, 'ready');
    await sleep(ms);
    killGroup(child);
    await untilKilled(child);
    await expectPutBack(before);
  });

  test('is undone together with the namespaces of its hosts', async () => {
    const host = `${scene.netns}-h`;
    const before = scene.dump();
    const child = standIn.start([
      {
        run: scene.run,
        reach: 'here',
        netns: null,
        steps: [command(null, `ip netns add ${host}`, { kind: 'netns', name: host })],
        processes: [],
      },
      {
        run: scene.run,
        reach: 'agent',
        netns: host,
        steps: [command(null, `ip netns add ${scene.netns}-c`, { kind: 'netns', name: `${scene.netns}-c` })],
        processes: [program('sleeper', ['sleep', `1000.${scene.run}`.replace(/[^\d.]/g, '1')])],
      },
    ]);
    await until(child, 'ready');
    killGroup(child);
    await untilKilled(child);
    expect(await openJournals()).toMatchObject([{ host: 'host1' }, { host: 'host0' }]);
    await expectPutBack(before);
    expect(existsSync(`/run/netns/${host}`)).toBe(false);
  });

  test('is undone after its host was removed', async () => {
    const host = `${scene.netns}-h`;
    sh('ip', 'netns', 'add', host);
    const child = standIn.start([
      {
        run: scene.run,
        reach: 'agent',
        netns: host,
        steps: [
          command(null, `ip netns add ${scene.netns}-c`, { kind: 'netns', name: `${scene.netns}-c` }),
          command(null, 'ip link add cni0 type bridge', { kind: 'link', netns: null, name: 'cni0' }),
        ],
        processes: [program('stubborn', ['sh', '-c', `trap "" TERM; sleep 1000; : ${scene.run}`])],
      },
    ]);
    await until(child, 'ready');
    killGroup(child);
    await untilKilled(child);
    sh('ip', 'netns', 'del', host);
    await expectPutBack(scene.dump());
  });
});

test('agents undo their steps when only the study is killed', async () => {
  const before = scene.dump();
  const child = standIn.start([{ run: scene.run, reach: 'agent', netns: scene.netns, ...network() }]);
  await until(child, 'ready');
  child.kill('SIGKILL');
  await untilKilled(child);
  for (
    let waited = 0;
    waited < 100 && existsSync(join(scene.folder, `state/journal/${scene.run}-host0.jsonl`));
    waited++
  )
    await sleep(50);
  expect(scene.dump()).toBe(before);
  await expectPutBack(before);
});

test('undo waits for agents that still undo their steps', async () => {
  const before = scene.dump();
  const child = standIn.start([
    {
      run: scene.run,
      reach: 'here',
      netns: null,
      steps: [command(null, `ip netns add ${scene.netns}-h`, { kind: 'netns', name: `${scene.netns}-h` })],
      processes: [],
    },
    { run: scene.run, reach: 'agent', netns: scene.netns, ...network() },
  ]);
  await until(child, 'ready');
  child.kill('SIGKILL');
  await untilKilled(child);
  await expectPutBack(before);
});
