import { existsSync } from 'node:fs';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, test } from 'vitest';
import { openJournals, undoAll } from '../../src/machine/index.js';
import { command, everyKind, openTestHost, program, sh, type TestHost } from './test-host.js';
import { buildStandIn, killGroup, untilKilled, until, type Part, type StandIn } from './stand-in.js';

let standIn: StandIn;
let testHost: TestHost;
beforeAll(async () => (standIn = await buildStandIn()));
afterAll(() => standIn[Symbol.dispose]());
beforeEach(() => (testHost = openTestHost()));
afterEach(() => testHost[Symbol.dispose]());

/** Fourteen steps and a process; the process ignores SIGTERM, and is the fifteenth. */
const network = (): Pick<Part, 'steps' | 'processes'> => ({
  steps: everyKind(`${testHost.netns}-c`, testHost.folder),
  processes: [
    program(
      'stubborn',
      ['sh', '-c', `trap "" TERM; sleep 1000 & wait; : ${testHost.run}`],
      `${testHost.netns}-c`,
    ),
  ],
});
const STEPS = 15;
const places = [...Array.from({ length: STEPS }, (_, index) => index + 1), STEPS + 0.5];

const runningProcesses = (): string =>
  sh('ps', '-eo', 'args=')
    .split('\n')
    .filter((line) => line.includes(testHost.run) && !line.startsWith('ps '))
    .join('\n');

async function expectRestored(before: string): Promise<void> {
  await undoAll();
  expect(testHost.dump()).toBe(before);
  expect(existsSync(join(testHost.folder, 'a'))).toBe(false);
  expect(existsSync(`/run/netns/${testHost.netns}-c`)).toBe(false);
  expect(runningProcesses()).toBe('');
  expect(await openJournals()).toEqual([]);
}

describe('a study that is killed with its whole group', () => {
  test.each(places)('at step %d is undone from its journal', async (at) => {
    const before = testHost.dump();
    const part: Part = { run: testHost.run, reach: 'here', netns: testHost.netns, ...network() };
    const child = standIn.start([part], { netns: testHost.netns, killAtStep: at });
    expect(await untilKilled(child)).toBe('SIGKILL');
    expect(await openJournals()).toMatchObject([{ run: testHost.run, host: 'host0' }]);
    await expectRestored(before);
  });

  test.each([2, 8, 15, 15.5])(
    "while its agent applies step %d is undone from the agent's journal",
    async (at) => {
      const before = testHost.dump();
      const part: Part = { run: testHost.run, reach: 'agent', netns: testHost.netns, ...network() };
      const child = standIn.start([part], { killAtStep: at });
      expect(await untilKilled(child)).toBe('SIGKILL');
      await expectRestored(before);
    },
  );

  test.each(Array.from({ length: 10 }, (_, index) => index * 8))(
    'while it applies steps, %d ms after the start, is undone',
    async (ms) => {
      const before = testHost.dump();
      const child = standIn.start([
        { run: testHost.run, reach: 'agent', netns: testHost.netns, ...network() },
      ]);
      await until(child, 'taking');
      await sleep(ms);
      killGroup(child);
      await untilKilled(child);
      await expectRestored(before);
    },
  );

  test.each([0, 10, 30, 60, 90])('while it undoes, %d ms after the start, is undone', async (ms) => {
    const before = testHost.dump();
    const part: Part = {
      run: testHost.run,
      reach: 'agent',
      netns: testHost.netns,
      ...network(),
      processes: [],
    };
    const child = standIn.start([part], { undo: true });
    await until(child, 'ready');
    await sleep(ms);
    killGroup(child);
    await untilKilled(child);
    await expectRestored(before);
  });

  test('is undone together with the namespaces of its hosts', async () => {
    const host = `${testHost.netns}-h`;
    const before = testHost.dump();
    const child = standIn.start([
      {
        run: testHost.run,
        reach: 'here',
        netns: null,
        steps: [command(null, `ip netns add ${host}`, { kind: 'netns', name: host })],
        processes: [],
      },
      {
        run: testHost.run,
        reach: 'agent',
        netns: host,
        steps: [
          command(null, `ip netns add ${testHost.netns}-c`, { kind: 'netns', name: `${testHost.netns}-c` }),
        ],
        processes: [program('sleeper', ['sleep', `1000.${testHost.run}`.replace(/[^\d.]/g, '1')])],
      },
    ]);
    await until(child, 'ready');
    killGroup(child);
    await untilKilled(child);
    // The agent was killed with its group, and a loaded machine takes a moment to end it.
    await expect
      .poll(() => openJournals(), { timeout: 10_000 })
      .toMatchObject([{ host: 'host1' }, { host: 'host0' }]);
    await expectRestored(before);
    expect(existsSync(`/run/netns/${host}`)).toBe(false);
  });

  test('is undone after its host was removed', async () => {
    const host = `${testHost.netns}-h`;
    sh('ip', 'netns', 'add', host);
    const child = standIn.start([
      {
        run: testHost.run,
        reach: 'agent',
        netns: host,
        steps: [
          command(null, `ip netns add ${testHost.netns}-c`, { kind: 'netns', name: `${testHost.netns}-c` }),
          command(null, 'ip link add cni0 type bridge', { kind: 'link', netns: null, name: 'cni0' }),
        ],
        processes: [program('stubborn', ['sh', '-c', `trap "" TERM; sleep 1000; : ${testHost.run}`])],
      },
    ]);
    await until(child, 'ready');
    killGroup(child);
    await untilKilled(child);
    sh('ip', 'netns', 'del', host);
    await expectRestored(testHost.dump());
  });
});

test('agents undo their steps when only the study is killed', async () => {
  const before = testHost.dump();
  const child = standIn.start([{ run: testHost.run, reach: 'agent', netns: testHost.netns, ...network() }]);
  await until(child, 'ready');
  child.kill('SIGKILL');
  await untilKilled(child);
  for (
    let waited = 0;
    waited < 100 && existsSync(join(testHost.folder, `state/journal/${testHost.run}-host0.jsonl`));
    waited++
  )
    await sleep(50);
  expect(testHost.dump()).toBe(before);
  await expectRestored(before);
});

test('undo waits for agents that still undo their steps', async () => {
  const before = testHost.dump();
  const child = standIn.start([
    {
      run: testHost.run,
      reach: 'here',
      netns: null,
      steps: [
        command(null, `ip netns add ${testHost.netns}-h`, { kind: 'netns', name: `${testHost.netns}-h` }),
      ],
      processes: [],
    },
    { run: testHost.run, reach: 'agent', netns: testHost.netns, ...network() },
  ]);
  await until(child, 'ready');
  child.kill('SIGKILL');
  await untilKilled(child);
  await expectRestored(before);
});
