import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { bundlePath, connectAgent, type Machine } from '../../src/machine/index.js';
import {
  command,
  everyKind,
  link,
  openTestHost,
  program,
  rejection,
  sh,
  type TestHost,
} from './test-host.js';

let testHost: TestHost;
beforeEach(() => (testHost = openTestHost()));
afterEach(() => testHost[Symbol.dispose]());

const connect = (): Promise<Machine> =>
  connectAgent({ run: testHost.run, host: 'server', netns: testHost.netns });
const agentPid = async (machine: Machine): Promise<number> => {
  const { stdout } = await machine.run(['sh', '-c', 'echo $PPID']);
  return Number(stdout);
};

describe('a host behind an agent', () => {
  test("runs programs in the host's namespace and returns exit, output and time", async () => {
    await using machine = await connect();
    const shown = await machine.run(['ip', '-br', 'link']);
    expect(shown).toMatchObject({ code: 0, signal: null, stderr: '' });
    expect(shown.stdout).toContain('eth0-peer');
    expect(shown.ms).toBeGreaterThan(0);
    expect(await machine.run(['sh', '-c', 'cat; exit 3'], { input: 'in' })).toMatchObject({
      code: 3,
      stdout: 'in',
    });
  });

  test('runs programs in a namespace by name', async () => {
    await using machine = await connect();
    await machine.apply([
      command(null, `ip netns add ${testHost.netns}-c`, { kind: 'netns', name: `${testHost.netns}-c` }),
    ]);
    const shown = await machine.run(['ip', '-br', 'link'], { netns: `${testHost.netns}-c` });
    expect(shown.stdout).not.toContain('eth0');
  });

  test('kills a program that exceeds its limit and reports it', async () => {
    await using machine = await connect();
    const error = await rejection(machine.run(['sleep', '10'], { timeoutMs: 50 }));
    expect(error).toMatchObject({ code: 'timed-out', message: 'sleep 10 did not exit within 50 ms' });
  });

  test('names a missing program', async () => {
    await using machine = await connect();
    expect(await rejection(machine.run(['no-such-tool']))).toMatchObject({ code: 'missing-tool' });
  });

  test('serves concurrent requests', async () => {
    await using machine = await connect();
    const started = performance.now();
    await Promise.all(Array.from({ length: 10 }, () => machine.run(['sleep', '0.3'])));
    expect(performance.now() - started).toBeLessThan(2000);
  });

  test('reads files in one call, with null for missing ones', async () => {
    await using machine = await connect();
    const { atNs, files } = await machine.readFiles(['/proc/net/dev', '/nowhere', '/proc/999999999/stat']);
    expect(files['/proc/net/dev']).toContain('eth0-peer');
    expect(files['/nowhere']).toBeNull();
    expect(files['/proc/999999999/stat']).toBeNull();
    expect(Math.abs(atNs - Number(process.hrtime.bigint()))).toBeLessThan(10e9);
  });

  test('reports a remote failure like a local one', async () => {
    await using machine = await connect();
    const error = await rejection(machine.apply([command(null, 'ip link set nothing up')]));
    expect(error).toMatchObject({ name: 'BarewireError', code: 'step-failed', fault: 'machine' });
  });
});

describe('when the connection ends,', () => {
  test.each(['SIGTERM', 'SIGHUP'] as const)('by %s to the agent, it undoes its steps', async (signal) => {
    const before = testHost.dump();
    await using machine = await connect();
    await machine.apply(everyKind(`${testHost.netns}-c`, testHost.folder));
    process.kill(await agentPid(machine), signal);
    expect(await rejection(machine.run(['sleep', '5']))).toMatchObject({ code: 'agent-lost' });
    expect(testHost.dump()).toBe(before);
  });

  test('Ctrl-C does not reach the agent', async () => {
    await using machine = await connect();
    process.kill(await agentPid(machine), 'SIGINT');
    expect((await machine.run(['true'])).code).toBe(0);
  });

  test('disposing undoes the steps of a killed agent', async () => {
    const before = testHost.dump();
    {
      await using machine = await connect();
      await machine.apply(everyKind(`${testHost.netns}-c`, testHost.folder));
      process.kill(await agentPid(machine), 'SIGKILL');
      const error = await rejection(machine.apply([command(null, 'ip link set lo up')]));
      expect(error).toMatchObject({ code: 'agent-lost' });
      expect(error.message).toContain('it exited with SIGKILL');
    }
    expect(testHost.dump()).toBe(before);
  });

  test('a process of a killed agent is reported as ended', async () => {
    await using machine = await connect();
    const sleeper = await machine.start(program('sleeper', ['sleep', '1000']));
    process.kill(await agentPid(machine), 'SIGKILL');
    expect(await sleeper.exited).toMatchObject({ code: null });
    expect(await sleeper.readLine()).toBeNull();
  });

  test('an agent that does not start is reported with the reason', async () => {
    const error = await rejection(connectAgent({ run: testHost.run, host: 'server', netns: 'mt-nowhere' }));
    expect(error).toMatchObject({ code: 'agent-lost' });
    expect(error.message).toContain('mt-nowhere');
  });
});

describe('another version', () => {
  test('of the agent is refused by name', async () => {
    const fake = join(testHost.folder, 'fake.mjs');
    writeFileSync(
      fake,
      `console.log(JSON.stringify({ hello: { protocol: 'agent', protocolVersion: 99, version: '9.9.9' } })); process.stdin.resume();`,
    );
    const error = await rejection(
      connectAgent({ run: testHost.run, host: 'server', netns: null }, { prefix: [process.execPath, fake] }),
    );
    expect(error).toMatchObject({ code: 'agent-protocol' });
    expect(error.message).toContain('9.9.9 with protocol agent 99');
  });

  test('of the caller is refused by the agent, which exits without a change', async () => {
    const agent = spawn(process.execPath, [bundlePath(), 'agent'], { stdio: ['pipe', 'pipe', 'pipe'] });
    const errors: string[] = [];
    createInterface({ input: agent.stderr }).on('line', (line) => errors.push(line));
    const open = { run: testHost.run, host: 'server', netns: null, standalone: false };
    const steps = [command(null, 'ip link add mt-never type bridge', link('mt-never'))];
    const messages = [
      { hello: { protocol: 'agent', protocolVersion: 0, version: '0.0.0' } },
      { id: 1, method: 'open', params: open },
      { id: 2, method: 'apply', params: { steps } },
    ];
    agent.stdin.write(messages.map((message) => `${JSON.stringify(message)}\n`).join(''));
    expect(await once(agent, 'close')).toEqual([1, null]);
    expect(errors.join()).toContain('0.0.0 with protocol agent 0');
    expect(sh('ip', 'link')).not.toContain('mt-never');
  });

  test('that does not speak the protocol is refused', async () => {
    const error = await rejection(
      connectAgent({ run: testHost.run, host: 'server', netns: null }, { prefix: ['echo', 'Welcome!'] }),
    );
    expect(error).toMatchObject({ code: 'agent-protocol' });
    expect(error.message).toContain('Welcome!');
  });
});
