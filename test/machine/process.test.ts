import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { existsSync, mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { readProcess } from '../../src/linux/index.js';
import { openMachine, undoAll, type Machine } from '../../src/machine/index.js';
import { openTestHost, program, rejection, sh, type TestHost } from './test-host.js';
import { buildFixture } from './stand-in.js';

let testHost: TestHost;
let machine: Machine;
beforeEach(async () => {
  testHost = openTestHost();
  machine = await openMachine({ run: testHost.run, host: 'here', netns: null });
});
afterEach(async () => {
  try {
    await machine[Symbol.asyncDispose]();
  } finally {
    testHost[Symbol.dispose]();
  }
});

/** Whether any thread of the process runs: a zombie leader may have threads that still complete a system call. */
const isRunning = (pid: number): boolean => readProcess(pid)?.running === true;
/** The running processes of a session: `l` in the state of a zombie shows threads that still run. */
const sessionOf = (session: number): string[] =>
  sh('ps', '-eo', 'sid=,stat=,args=')
    .split('\n')
    .filter((line) => line.trim().startsWith(`${session} `) && !/^\s*\d+ Z[^l ]* /.test(line));

describe('a process', () => {
  test('reads and writes lines', async () => {
    await using cat = await machine.start(program('cat', ['cat']));
    await cat.writeLine('one');
    await cat.writeLine('two');
    expect([await cat.readLine(), await cat.readLine()]).toEqual(['one', 'two']);
  });

  test('returns its exit and the last lines of its standard error', async () => {
    const script = 'for i in $(seq 30); do echo $i >&2; done; exit 3';
    await using failing = await machine.start(program('failing', ['sh', '-c', script]));
    const { code, signal, stderrTail } = await failing.exited;
    expect({ code, signal }).toEqual({ code: 3, signal: null });
    expect(stderrTail.split('\n')).toEqual(Array.from({ length: 20 }, (_, index) => String(index + 11)));
    expect(await failing.readLine()).toBeNull();
  });

  test('that is missing reports it on standard error', async () => {
    await using missing = await machine.start(program('missing', ['no-such-program']));
    const { code, stderrTail } = await missing.exited;
    expect(code).toBe(127);
    expect(stderrTail).toContain('no-such-program');
  });

  test('runs in its namespace, on its CPUs and in its own session', async () => {
    const step = program('sleeper', ['sleep', '1000'], testHost.netns);
    if (step.do.kind !== 'process') throw new Error('it is a process');
    await using sleeper = await machine.start({ ...step, do: { ...step.do, cpus: [1] } });
    await sleep(200);
    expect(readFileSync(`/proc/${sleeper.pid}/cmdline`, 'utf8')).toBe('sleep\u00001000\u0000');
    expect(readFileSync(`/proc/${sleeper.pid}/status`, 'utf8')).toMatch(/^Cpus_allowed_list:\s*1$/m);
    expect(sessionOf(sleeper.pid)).toHaveLength(1);
    expect(readFileSync(`/proc/${sleeper.pid}/net/dev`, 'utf8')).toContain('eth0-peer');
  });

  test('ends when it is disposed', async () => {
    const sleeper = await machine.start(program('sleeper', ['sleep', '1000']));
    await sleeper[Symbol.asyncDispose]();
    expect(isRunning(sleeper.pid)).toBe(false);
    expect(await sleeper.exited).toMatchObject({ signal: 'SIGTERM' });
  });

  test('that ignores SIGTERM is killed with its children', async () => {
    const script = 'trap "" TERM; (trap "" TERM; sleep 1000; sleep 1000) & echo started; wait';
    const stubborn = await machine.start(program('stubborn', ['sh', '-c', script]));
    await stubborn.readLine();
    await machine.undo();
    expect(sessionOf(stubborn.pid)).toEqual([]);
  });

  test('whose undo does not stop it is refused', async () => {
    const step = { ...program('stays', ['sleep', '1000']), undo: null };
    expect(await rejection(machine.start(step))).toMatchObject({ code: 'bug' });
  });

  test('waiting for it ends with a signal', async () => {
    await using quiet = await machine.start(program('quiet', ['sleep', '1000']));
    const reason = await rejection(quiet.readLine(AbortSignal.timeout(50)));
    expect(reason.name).toBe('TimeoutError');
  });
});

test('a process whose owner dies before its pid is journaled never runs its program', async () => {
  using gate = await buildFixture('gate');
  const path = join(testHost.folder, 'touched');
  const owner = spawn(process.execPath, [gate.path, path], { stdio: ['ignore', 'pipe', 'inherit'] });
  const [pid] = (await once(owner.stdout, 'data')) as [Buffer];
  await once(owner, 'close');
  while (isRunning(Number(pid.toString()))) await sleep(10);
  expect(existsSync(path)).toBe(false);
});

test('nginx workers that outlive their master end with the session', async () => {
  const config = join(testHost.folder, 'nginx.conf');
  writeFileSync(config, nginxConfig(testHost.folder));
  const argv = ['nginx', '-c', config, '-e', join(testHost.folder, 'error.log')];
  const nginx = await machine.start(program('nginx', argv, testHost.netns));
  while (sessionOf(nginx.pid).length < 3) await sleep(20);
  process.kill(nginx.pid, 'SIGKILL');
  await nginx.exited;
  expect(sessionOf(nginx.pid)).toHaveLength(2);
  await machine.undo();
  expect(sessionOf(nginx.pid)).toEqual([]);
});

const nginxConfig = (folder: string): string => `daemon off; worker_processes 2; pid ${folder}/pid;
  events {} http { access_log off; server { listen 127.0.0.1:8099; }
  client_body_temp_path ${folder}/b; proxy_temp_path ${folder}/p; fastcgi_temp_path ${folder}/f;
  uwsgi_temp_path ${folder}/u; scgi_temp_path ${folder}/s; }`;

/** A journal whose owner is gone, with one process in it. */
function writeJournal(identity: { pid: number; startTime: number }, name = 'sleep'): void {
  const header = {
    journal: 1,
    version: '0',
    run: 'old',
    host: 'h',
    netns: null,
    boot: readFileSync('/proc/sys/kernel/random/boot_id', 'utf8').trim(),
    owner: { pid: 999_999_999, startTime: 1 },
    since: '2026-01-01T00:00:00.000Z',
  };
  const undo = { kind: 'process', name, program: name, tag: 'old-h-0' };
  const lines = [
    header,
    { id: 0, step: program('sleeper', ['sleep', '1000']), undo },
    { started: 0, process: identity },
  ];
  mkdirSync(join(testHost.folder, 'state/journal'), { recursive: true });
  writeFileSync(
    join(testHost.folder, 'state/journal/old-h.jsonl'),
    lines.map((line) => `${JSON.stringify(line)}\n`).join(''),
  );
}

const statOf = (pid: number): string[] =>
  readFileSync(`/proc/${pid}/stat`, 'utf8').split(') ')[1]?.split(' ') ?? [];
const startTimeOf = (pid: number): number => Number(statOf(pid)[19]);

describe('a pid in an old journal', () => {
  test('that now belongs to another process is left alone', async () => {
    const other = spawn('sleep', ['1000'], { detached: true });
    const { pid = 0 } = other;
    writeJournal({ pid, startTime: startTimeOf(pid) - 1 });
    expect(await undoAll()).toMatchObject([{ run: 'old', host: 'h', steps: 1 }]);
    expect(isRunning(pid)).toBe(true);
    expect(existsSync(join(testHost.folder, 'state/journal/old-h.jsonl'))).toBe(false);
    other.kill('SIGKILL');
  });

  test('that is still the same process is stopped', async () => {
    const { pid = 0 } = spawn('sleep', ['1000'], { detached: true });
    writeJournal({ pid, startTime: startTimeOf(pid) });
    await undoAll();
    expect(isRunning(pid)).toBe(false);
  });

  test('whose session now belongs to others is left alone', async () => {
    const leader = spawn('sh', ['-c', 'sleep 1000 & echo $!; wait'], {
      detached: true,
      stdio: ['ignore', 'pipe', 'ignore'],
    });
    const { pid: session = 0 } = leader;
    const [line] = (await once(leader.stdout, 'data')) as [Buffer];
    const orphan = Number(line.toString());
    const before = startTimeOf(session) - 1;
    leader.kill('SIGKILL');
    await once(leader, 'exit');
    // Not `sleep`, as the journal's process was called, and without its tag.
    writeJournal({ pid: session, startTime: before }, 'nginx');
    await undoAll();
    expect(isRunning(orphan)).toBe(true);
    process.kill(orphan, 'SIGKILL');
  });
});
