import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { text } from 'node:stream/consumers';
import { setTimeout as pause } from 'node:timers/promises';
import { gzipSync } from 'node:zlib';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { AGENT } from '../../../src/testbed/bundle.js';
import { bootProgram, preambleOf } from '../../../src/testbed/kubernetes/pod-agent.js';

/** An agent that prints what it is given, in the place of the real one. */
const ECHO = `
process.stdin.on("data", (bytes) => process.stdout.write(bytes));
process.stdin.on("end", () => process.stdout.write(JSON.stringify(process.argv.slice(1))));
`;
const LIBRARY = 'node_modules/deep/er/library.node';
const BYTES = Buffer.from(Array.from({ length: 300_000 }, (_, index) => (index * 2_654_435_761) & 255));

const packed = gzipSync(
  JSON.stringify({
    manifest: '{}',
    files: { [AGENT]: Buffer.from(ECHO).toString('base64'), [LIBRARY]: BYTES.toString('base64') },
  }),
).toString('base64');
const preamble = preambleOf({ hash: '', architectures: [], files: [], packed });

describe('the program that becomes the agent of a pod', () => {
  let folder: string;
  beforeEach(() => (folder = mkdtempSync(join(tmpdir(), 'barewire-boot-'))));
  afterEach(() => rmSync(folder, { recursive: true }));

  async function boot(chunks: readonly Buffer[], pauseMs: number) {
    const child = spawn(process.execPath, ['-e', bootProgram(folder), 'agent', '{"host":"client-pod"}'], {
      stdio: ['pipe', 'pipe', 'pipe'],
    });
    // It may exit before it has read everything.
    child.stdin.on('error', () => undefined);
    const output = Promise.all([text(child.stdout), text(child.stderr)]);
    for (const chunk of chunks) {
      child.stdin.write(chunk);
      await pause(pauseMs);
    }
    child.stdin.end();
    await once(child, 'exit');
    const [stdout, stderr] = await output;
    return { status: child.exitCode, stdout, stderr };
  }

  it('writes the files, and leaves what follows to the agent', async () => {
    const messages = '{"id":1,"call":"probe"}\n';
    const { status, stdout, stderr } = await boot([Buffer.concat([preamble, Buffer.from(messages)])], 0);
    expect(stderr).toBe('');
    expect(stdout).toBe(`${messages}["agent","{\\"host\\":\\"client-pod\\"}"]`);
    expect(status).toBe(0);
    expect(readFileSync(join(folder, LIBRARY)).equals(BYTES)).toBe(true);
  });

  it('waits for an input that arrives in parts', async () => {
    const parts = [0, 5, 12, 13, 20_000, preamble.length].map((end, at, all) =>
      preamble.subarray(all[at - 1] ?? 0, end),
    );
    const { stdout } = await boot([...parts, Buffer.from('later\n')], 30);
    expect(stdout).toMatch(/^later\n/);
  });

  it('ends with a failure when its input ends early', async () => {
    const { status, stdout } = await boot([preamble.subarray(0, preamble.length - 1)], 0);
    expect([status, stdout]).toEqual([1, '']);
  });
});
