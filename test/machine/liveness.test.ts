import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { afterAll, expect, test } from 'vitest';
import { pidsWithVariable, sessionMembers } from '../../src/linux/index.js';
import { identify, isAlive } from '../../src/machine/session.js';

const folder = mkdtempSync(join(tmpdir(), 'barewire-liveness-'));
afterAll(() => rmSync(folder, { recursive: true }));

/**
 * Keeps a thread of libuv's pool inside fsync, which waits for the disk uninterruptibly: after SIGKILL the leader is a zombie
 * while that thread still completes its system call.
 */
const SYNCER = `
  const fs = require('node:fs');
  const fd = fs.openSync(process.argv[1], 'w');
  const chunk = Buffer.alloc(32 << 20, 1);
  const sync = () => { fs.writeSync(fd, chunk, 0, chunk.length, 0); fs.fsync(fd, sync); };
  sync();
  process.stdout.write('ready\\n');
`;

const leaderState = (pid: number): string | null => {
  try {
    return (
      /^State:\s+(?<state>\w)/m.exec(readFileSync(`/proc/${pid}/status`, 'latin1'))?.groups?.['state'] ?? null
    );
  } catch {
    return null;
  }
};

test('a killed process is alive until its last thread has left its system call', async () => {
  let halfEnded = 0;
  for (let attempt = 0; attempt < 60 && halfEnded === 0; attempt++) {
    const tag = `liveness-${process.pid}-${attempt}`;
    const child = spawn(process.execPath, ['-e', SYNCER, join(folder, 'data')], {
      stdio: ['ignore', 'pipe', 'ignore'],
      detached: true,
      env: { ...process.env, LIVENESS_TAG: tag },
    });
    const gone = once(child, 'exit');
    await once(child.stdout, 'data');
    const pid = child.pid ?? 0;
    const identity = identify(pid);
    if (identity === null) throw new Error('the child ended early');
    await sleep(20 + 3 * attempt);
    process.kill(pid, 'SIGKILL');
    // Synchronous: this process reaps its child only when it returns to the event loop.
    let lastTagged = 1;
    for (let alive = true; alive;) {
      const before = leaderState(pid);
      alive = isAlive(identity);
      if (!alive || before !== 'Z') continue;
      const members = sessionMembers(pid).length;
      const tagged = pidsWithVariable('LIVENESS_TAG', tag).length;
      // The thread may end between two readings: only then may the session be empty.
      if (!isAlive(identity)) continue;
      expect(members).toBe(1);
      // Its environment is readable until it has left the system call and given up its memory, and not again.
      expect(tagged <= lastTagged, 'the variable of the process came back').toBe(true);
      lastTagged = tagged;
      halfEnded += tagged;
    }
    await gone;
    expect(isAlive(identity)).toBe(false);
  }
  expect(halfEnded).toBeGreaterThan(0);
});
