import { execFileSync, spawn, type ChildProcess } from 'node:child_process';
import { once } from 'node:events';
import { afterEach, beforeEach, expect, it } from 'vitest';
import { barewire } from './barewire.js';

const [CLIENT, SERVER] = [`bw-nolo-${process.pid}-c`, `bw-nolo-${process.pid}-s`];
const SERVE = `require('node:http').createServer((_, response) => response.end('x'.repeat(100))).listen(8080, '192.0.2.2', () => console.log('up'))`;
const ip = (...args: readonly string[]): void => void execFileSync('ip', args);
let server: ChildProcess;

beforeEach(async () => {
  ip('netns', 'add', CLIENT);
  ip('netns', 'add', SERVER);
  ip('-n', CLIENT, 'link', 'add', 'wire0', 'type', 'veth', 'peer', 'wire0', 'netns', SERVER);
  for (const [name, address] of [
    [CLIENT, '192.0.2.1/30'],
    [SERVER, '192.0.2.2/30'],
  ] as const) {
    ip('-n', name, 'addr', 'add', address, 'dev', 'wire0');
    ip('-n', name, 'link', 'set', 'wire0', 'up');
  }
  server = spawn('nsenter', [`--net=/run/netns/${SERVER}`, process.execPath, '-e', SERVE]);
  await once(server.stdout!, 'data');
});
afterEach(async () => {
  server.kill('SIGKILL');
  if (server.exitCode === null && server.signalCode === null) await once(server, 'exit');
  for (const name of [CLIENT, SERVER]) ip('netns', 'del', name);
});

it('load runs in a namespace whose loopback interface is down', async () => {
  const { stdout, stderr } = await barewire(
    ['load', 'http://192.0.2.2:8080/', '--rate', '200', '--connections', '4', '--duration', '1s', '--json'],
    ['nsenter', `--net=/run/netns/${CLIENT}`],
  );
  expect(stderr).not.toContain('bug in Barewire');
  expect((JSON.parse(stdout) as { requests: number }).requests).toBe(200);
}, 30_000);
