import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { describe, expect, test } from 'vitest';
import { freshRunId } from '../../src/machine/index.js';
import { findNetwork } from '../../src/network/index.js';
import { planServer, startServer } from '../../src/server/index.js';
import { checkPath, openTestbed, setUpNetwork, type Testbed } from '../../src/testbed/index.js';
import { GeneratorProcess } from '../../src/load/index.js';
import { hostNetns, onHost } from './dump.js';

const PORT = 8080;
const WIRE = { mtu: 1500, rateMbps: null };

/** Sets a network up with a real nginx, changes the hosts by `lines`, and checks the path by a real request. */
async function check(name: string, lines: readonly string[]): Promise<unknown> {
  const run = freshRunId();
  await using testbed = await openTestbed({ kind: 'netns' }, { run, wire: WIRE });
  await using active = await setUpNetwork(testbed, findNetwork(name));
  for (const line of lines) sabotage(testbed, line.replaceAll('RUN', run));
  const { address, netns } = active.server;
  const at = { netns, address, port: PORT };
  await using server = await startServer(testbed.server.machine, planServer(run, name, [0], at));
  await using generator = new GeneratorProcess(testbed.client.machine, [0], undefined, []);
  await generator.ready(1);
  const target = { address, host: address, port: PORT, path: '/350B' };
  return await checkPath(testbed, active, () =>
    server.ready(async () => {
      await generator.from(active.client.netns).check(target, { status: 200, bodyBytes: null });
    }),
  );
}

function sabotage(testbed: Testbed, line: string): void {
  const [role, ...words] = line.split(' ');
  if (role === 'client' || role === 'server') onHost(testbed, role, words.join(' '));
}

describe('a path that carries pings but no TCP', () => {
  test.each([
    [
      'a firewall in front of the server',
      'host',
      ['server iptables -A INPUT -p tcp --dport 8080 -j DROP'],
      /host carries pings from 198\.18\.0\.1 to 198\.18\.0\.2, but no TCP: .*198\.18\.0\.2 port 8080.*within 5 s.*eth0 of the server received [1-9]\d* and sent \d+/,
    ],
    [
      'a firewall that refuses',
      'host',
      ['server iptables -A INPUT -p tcp --dport 8080 -j REJECT --reject-with tcp-reset'],
      /no TCP: .*ECONNREFUSED/,
    ],
    [
      'a firewall where the server forwards',
      'flannel-host-gw',
      ['server iptables -A FORWARD -p tcp -j DROP'],
      /flannel-host-gw carries pings .*no TCP: .*eth0 of the server received \d+/,
    ],
  ])('is named: %s', async (_, name, lines, message) => {
    const refused = check(name, lines);
    await expect(refused).rejects.toMatchObject({
      code: 'path-check-failed',
      message: expect.stringMatching(message) as string,
      hint: expect.stringMatching(/nft list ruleset/) as string,
      cause: expect.objectContaining({ code: 'load-failed' }) as Error,
    });
  });
});

describe('hosts that answer no pings', () => {
  test.each(['client', 'server'])('are checked by requests: %s', async (role) => {
    const report = await check('host', [`${role} sysctl -qw net.ipv4.icmp_echo_ignore_all=1`]);
    expect(report).toMatchObject({ pings: 0 });
  });
});

test('a port that another program listens on is named with its owner', async () => {
  const run = freshRunId();
  await using testbed = await openTestbed({ kind: 'netns' }, { run, wire: WIRE });
  const netns = `--net=/run/netns/${hostNetns(testbed, 'server')}`;
  const other = spawn('nsenter', [netns, 'busybox', 'httpd', '-f', '-p', '198.18.0.2:8080', '-h', '/run']);
  const ended = once(other, 'exit');
  await using _other = {
    [Symbol.asyncDispose]: async () => {
      other.kill('SIGKILL');
      await ended;
    },
  };
  await expect.poll(() => onHost(testbed, 'server', 'ss -Hltn')).toContain(':8080');
  const at = { netns: null, address: '198.18.0.2', port: PORT };
  await using server = await startServer(testbed.server.machine, planServer(run, 'host', [0], at));
  await expect(server.ready(() => Promise.reject(new Error('not yet')))).rejects.toMatchObject({
    code: 'server-not-ready',
    message: expect.stringMatching(
      /nginx cannot listen at 198\.18\.0\.2 port 8080 of server: busybox \(process \d+\) does/,
    ) as string,
  });
});
