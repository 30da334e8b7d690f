import fc from 'fast-check';
import { existsSync, mkdirSync, readdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { freshRunId, openJournals, openMachine, undoAll } from '../../src/machine/index.js';
import {
  command,
  directory,
  file,
  link,
  openTestHost,
  rejection,
  sysctl,
  type TestHost,
} from './test-host.js';

let testHost: TestHost;
beforeEach(() => (testHost = openTestHost()));
afterEach(() => testHost[Symbol.dispose]());

const folder = (): string => join(testHost.folder, 'state/journal');
const BOOT = readFileSync('/proc/sys/kernel/random/boot_id', 'utf8').trim();

const header = (facts: object = {}): object => ({
  journal: 1,
  version: '0.0.0',
  run: 'old',
  host: 'h',
  netns: testHost.netns,
  boot: BOOT,
  owner: { pid: 999_999_999, startTime: 1 },
  since: '2026-01-01T00:00:00.000Z',
  ...facts,
});

function writeJournal(lines: readonly object[], name = 'old-h'): string {
  mkdirSync(folder(), { recursive: true });
  const text = lines.map((line) => `${JSON.stringify(line)}\n`).join('');
  writeFileSync(join(folder(), `${name}.jsonl`), text);
  return text;
}

/** Three things that an old run left on the host. */
function leaveThings(): object[] {
  const path = (name: string): string => join(testHost.folder, name);
  writeFileSync(path('left'), 'x');
  mkdirSync(path('leftover'));
  return [
    { id: 0, step: file(path('left')), undo: { kind: 'file', path: path('left') } },
    {
      id: 1,
      step: directory(path('leftover')),
      undo: { kind: 'directory', path: path('leftover'), parents: [] },
    },
    {
      id: 2,
      step: sysctl('net.ipv4.ip_forward', '0'),
      undo: {
        kind: 'setting',
        netns: null,
        written: '0',
        previous: [{ path: '/proc/sys/net/ipv4/ip_forward', value: '1' }],
      },
    },
  ];
}
const leftovers = (): string[] => readdirSync(testHost.folder).filter((name) => name.startsWith('left'));
const forwarding = (): boolean => testHost.dump().includes('net.ipv4.ip_forward = 1');

describe('a journal of an ended run', () => {
  test("is listed, undone in its host's namespace and removed", async () => {
    writeJournal([header(), ...leaveThings()]);
    const facts = { run: 'old', host: 'h', since: '2026-01-01T00:00:00.000Z', steps: 3 };
    expect(await openJournals()).toEqual([facts]);
    expect(await undoAll()).toEqual([{ ...facts, changed: [] }]);
    expect(leftovers()).toEqual([]);
    expect(forwarding()).toBe(true);
    expect(readdirSync(folder())).toEqual([]);
    expect(await undoAll()).toEqual([]);
  });

  test('counts and undoes only the remaining steps', async () => {
    writeJournal([header(), ...leaveThings(), { undone: [0, 2] }]);
    expect(await undoAll()).toMatchObject([{ steps: 1 }]);
    expect(leftovers()).toEqual(['left']);
    expect(forwarding()).toBe(false);
  });

  test('can be truncated anywhere', async () => {
    const text = writeJournal([header(), ...leaveThings()]);
    await fc.assert(
      fc.asyncProperty(fc.integer({ min: 0, max: text.length }), async (length) => {
        leaveThingsAgain();
        writeFileSync(join(folder(), 'old-h.jsonl'), text.slice(0, length));
        const whole = text.slice(0, length).split('\n').length - 2;
        const undone = await undoAll();
        expect(undone.map(({ steps }) => steps)).toEqual(whole > 0 ? [whole] : []);
        expect(leftovers()).toHaveLength(2 - Math.min(2, Math.max(0, whole)));
        expect(existsSync(join(folder(), 'old-h.jsonl'))).toBe(false);
      }),
      { numRuns: 60, examples: [[0], [text.length], [text.indexOf('\n')], [text.indexOf('\n') + 1]] },
    );
  });

  test('removes the parents of a folder that was not made any more', async () => {
    const parent = join(testHost.folder, 'left-parent');
    const path = join(parent, 'folder');
    mkdirSync(parent);
    const undo = { kind: 'directory', path, parents: [parent] };
    writeJournal([header(), { id: 0, step: directory(path), undo }]);
    await undoAll();
    expect(leftovers()).toEqual([]);
  });

  test('from before a reboot undoes files only', async () => {
    writeJournal([header({ boot: 'another' }), ...leaveThings()]);
    await undoAll();
    expect(leftovers()).toEqual([]);
    expect(forwarding()).toBe(false);
  });

  test('from before a reboot has no owner, even if the pid is in use', async () => {
    writeJournal([header({ boot: 'another', owner: { pid: process.pid, startTime: 1 } }), ...leaveThings()]);
    expect(await openJournals()).toHaveLength(1);
  });

  test('that is damaged is reported with its line, and the others are undone', async () => {
    writeJournal([header({ run: 'bad' }), { id: 'nonsense' }], 'bad-h');
    writeJournal([header(), ...leaveThings()]);
    const error = await rejection(undoAll());
    expect(error).toMatchObject({ code: 'results-damaged' });
    expect(error.message).toContain(`Could not read line 2 of the journal ${join(folder(), 'bad-h.jsonl')}`);
    expect(leftovers()).toEqual([]);
  });
});

const leaveThingsAgain = (): void => {
  writeFileSync(join(testHost.folder, 'left'), 'x');
  mkdirSync(join(testHost.folder, 'leftover'), { recursive: true });
};

test('a journal whose owner is alive is not undone, and its owner is reported', async () => {
  await using machine = await openMachine({ run: testHost.run, host: 'here', netns: null });
  await machine.apply([file(join(testHost.folder, 'f'))]);
  expect(await openJournals()).toEqual([]);
  const error = await rejection(undoAll());
  expect(error).toMatchObject({ code: 'locked' });
  expect(error.message).toContain(
    `Run ${testHost.run} is still active on here: process ${process.pid}, since `,
  );
  expect(existsSync(join(testHost.folder, 'f'))).toBe(true);
});

test('a step whose journal cannot be written is not applied', async () => {
  const before = testHost.dump();
  writeFileSync(join(testHost.folder, 'state'), 'not a folder');
  await using machine = await openMachine({ run: testHost.run, host: 'here', netns: null });
  const steps = [command(testHost.netns, 'ip link add cni0 type bridge', link('cni0', testHost.netns))];
  expect(await rejection(machine.apply(steps))).toMatchObject({ code: 'disk' });
  expect(testHost.dump()).toBe(before);
});

test('a second journal of the same name on one host is refused', async () => {
  await using first = await openMachine({ run: testHost.run, host: 'here', netns: null });
  await using second = await openMachine({ run: testHost.run, host: 'here', netns: null });
  await first.apply([file(join(testHost.folder, 'f'))]);
  expect(await rejection(second.apply([file(join(testHost.folder, 'g'))]))).toMatchObject({ code: 'disk' });
  expect(existsSync(join(testHost.folder, 'g'))).toBe(false);
});

test('run ids are six letters and digits and differ', () => {
  const ids = Array.from({ length: 1000 }, freshRunId);
  expect(ids.every((id) => /^[a-z0-9]{6}$/.test(id))).toBe(true);
  expect(new Set(ids).size).toBe(1000);
});
