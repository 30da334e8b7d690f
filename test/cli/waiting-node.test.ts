import { existsSync, mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { barewire, endRuns, Run } from './barewire.js';

let folder: string;
beforeEach(() => (folder = mkdtempSync(join(tmpdir(), 'barewire-waiting-'))));
afterEach(async () => {
  await endRuns();
  rmSync(folder, { recursive: true });
});

/** A host with one interface in its own network namespace. No other host answers. */
const HOST = [
  ...['unshare', '--net', 'sh', '-c'],
  'ip link set lo up; ip link add eth0 type veth peer name far; ip link set far up; ip link set eth0 up; ip addr add 10.99.0.1/24 dev eth0; exec "$@"',
  'sh',
];
const node = (...more: string[]): string[] => [
  'node',
  ...['state', 'socket', 'cni', 'subnet-file'].flatMap((name) => [`--${name}`, join(folder, name)]),
  ...['--public-ip', '10.99.0.1', ...more],
];

describe.skipIf(process.getuid?.() !== 0)('a node that waits for etcd', () => {
  test('ends by Ctrl-C, without a defect', async () => {
    const waiting = new Run(node('--etcd-endpoints', 'http://127.0.0.1:1'), HOST);
    await waiting.untilSaid(/"kind":"disconnected"/);
    waiting.signalGroup('SIGINT');
    const { status, stderr } = await waiting.ended;
    expect([status, stderr]).toEqual([130, expect.stringMatching(/\nbarewire: Interrupted\.\n$/)]);
  });

  test.each(['--cni', '--socket'])('refuses a %s that would delete what others have', async (option) => {
    const place = join(folder, 'others');
    const file = option === '--cni' ? join(place, 'notes') : place;
    if (option === '--cni') mkdirSync(place);
    writeFileSync(file, 'of another program');
    const { status, stderr } = await barewire(
      node('--etcd-endpoints', 'http://127.0.0.1:1', option, place),
      HOST,
    );
    expect([status, stderr]).toEqual([2, expect.stringContaining(`barewire: ${place}`)]);
    expect(readFileSync(file, 'utf8')).toBe('of another program');
    expect(existsSync(join(folder, 'subnet-file'))).toBe(false);
  });

  test('leave refuses a --socket that is another file', async () => {
    const place = join(folder, 'others');
    writeFileSync(place, 'of another program');
    const leave = ['node', 'leave', '--keep-lease', '--state', join(folder, 'state'), '--socket', place];
    const { status, stderr } = await barewire(leave, HOST);
    expect([status, stderr]).toEqual([2, expect.stringContaining('is not a unix socket')]);
    expect(readFileSync(place, 'utf8')).toBe('of another program');
  });

  test('refuses endpoints without a scheme', async () => {
    const { status, stderr } = await barewire(node('--etcd-endpoints', '10.99.0.2:2379'), HOST);
    expect([status, stderr]).toEqual([
      2,
      'barewire: --etcd-endpoints must be URLs with http:// or https://, got "10.99.0.2:2379".\n' +
        '  For example: --etcd-endpoints http://10.99.0.2:2379\n',
    ]);
  });
});
