import { createServer } from 'node:net';
import { once } from 'node:events';
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import type { AddressInfo } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { describe, expect, test } from 'vitest';
import { openTestbed } from '../../src/testbed/index.js';
import { readBundle } from '../../src/testbed/bundle.js';
import { parseTarget } from '../../src/testbed/ssh/ssh-connection.js';

const WIRE = { mtu: 1500, rateMbps: null };

describe('a host name', () => {
  test.each([
    ['db1', { destination: 'db1', port: null, dev: null }],
    ['admin@db1.example.org', { destination: 'admin@db1.example.org', port: null, dev: null }],
    ['db1/eth2', { destination: 'db1', port: null, dev: 'eth2' }],
    ['db1:2222', { destination: 'db1', port: 2222, dev: null }],
    ['ssh://admin@db1:2222/eth2', { destination: 'admin@db1', port: 2222, dev: 'eth2' }],
    ['2001:db8::1', { destination: '2001:db8::1', port: null, dev: null }],
    ['root@fe80::1%eth0', { destination: 'root@fe80::1%eth0', port: null, dev: null }],
    ['[2001:db8::1]/bond0.7', { destination: '2001:db8::1', port: null, dev: 'bond0.7' }],
    ['root@[::1]:2222', { destination: 'root@::1', port: 2222, dev: null }],
    ['db1/enp129s0f0np0-alternative', { destination: 'db1', port: null, dev: 'enp129s0f0np0-alternative' }],
  ])('%s', (text, target) => expect(parseTarget(text)).toEqual(target));

  test.each([
    '',
    '-oProxyCommand=reboot',
    'root@-oProxyCommand=reboot',
    'a b',
    'db1/',
    'db1:0',
    'db1:65536',
    'db1:ssh',
    '[::1',
    `db1/${'a'.repeat(128)}`,
  ])('refuses %j', (text) =>
    expect(() => parseTarget(text)).toThrow(expect.objectContaining({ code: 'bad-input' }) as Error),
  );
});

test('the bundle has the agent, its library and a hash of its content', async () => {
  const [one, again] = await Promise.all([readBundle(), readBundle()]);
  expect(again.hash).toBe(one.hash);
  expect(one.architectures).toContain(process.arch);
  expect(one.packed.length).toBeLessThan(8_000_000);
});

test('the ssh testbed needs two hosts', async () => {
  await expect(openTestbed({ kind: 'ssh' }, { wire: WIRE })).rejects.toMatchObject({ code: 'bad-input' });
});

test('an unreachable host is reported with the error of ssh', async () => {
  const server = createServer().listen(0, '127.0.0.1');
  await once(server, 'listening');
  const { port } = server.address() as AddressInfo;
  server.close();
  await once(server, 'close');
  const folder = await mkdtemp(join(tmpdir(), 'barewire-ssh-'));
  const config = join(folder, 'config');
  await writeFile(config, `Host nobody\nHostName 127.0.0.1\nPort ${port}\n`);
  try {
    await expect(
      openTestbed({ kind: 'ssh', options: { client: 'nobody', server: 'nobody', config } }, { wire: WIRE }),
    ).rejects.toMatchObject({
      code: 'host-unreachable',
      message: expect.stringMatching(/nobody: .*refused/) as string,
      hint: expect.stringContaining('ssh -o BatchMode=yes nobody') as string,
    });
  } finally {
    await rm(folder, { recursive: true });
  }
});
