import { execFileSync } from 'node:child_process';
import { existsSync, readdirSync } from 'node:fs';
import { describe, expect, test } from 'vitest';
import { freshRunId } from '../../src/machine/index.js';
import { findNetwork } from '../../src/network/index.js';
import { checkPath, openTestbed, setUpNetwork, type Testbed } from '../../src/testbed/index.js';
import { onHost } from './dump.js';

const wire = { mtu: 1500, rateMbps: null };
const machineLinks = (): string =>
  execFileSync('ip', ['-o', 'link'], { encoding: 'utf8' }).replace(/\d+ packets/g, '');
const namespaces = (run: string): string[] =>
  existsSync('/run/netns') ? readdirSync('/run/netns').filter((name) => name.startsWith(`bw-${run}-`)) : [];

async function pathIsRight(testbed: Testbed, name: string): Promise<void> {
  await using active = await setUpNetwork(testbed, findNetwork(name));
  const { client, server } = active;
  await checkPath(testbed, active, async () => {
    await testbed.client.machine.run(['ping', '-q', '-c', '1', server.address], { netns: client.netns });
  });
}

describe('a netns testbed', () => {
  test('leaves the machine unchanged while open and after closing', async () => {
    const run = freshRunId();
    const before = machineLinks();
    const testbed = await openTestbed({ kind: 'netns' }, { run, wire });
    expect(namespaces(run).toSorted()).toEqual([`bw-${run}-client`, `bw-${run}-server`, `bw-${run}-vpc`]);
    expect(machineLinks()).toBe(before);
    await testbed[Symbol.asyncDispose]();
    expect(namespaces(run)).toEqual([]);
  });

  test('closes with a network still set up', async () => {
    const run = freshRunId();
    {
      await using testbed = await openTestbed({ kind: 'netns' }, { run, wire });
      await setUpNetwork(testbed, findNetwork('flannel-vxlan'));
      expect(namespaces(run)).toHaveLength(5);
    }
    expect(namespaces(run)).toEqual([]);
  });

  test('does not conflict with another testbed', async () => {
    await using one = await openTestbed({ kind: 'netns' }, { wire });
    await using other = await openTestbed({ kind: 'netns' }, { wire });
    expect(one.run).not.toBe(other.run);
    await Promise.all([one, other].map((testbed) => pathIsRight(testbed, 'flannel-vxlan')));
    await Promise.all([one, other].map((testbed) => pathIsRight(testbed, 'macvlan')));
  });

  test('gives the wire its MTU and both directions their rate', async () => {
    await using testbed = await openTestbed({ kind: 'netns' }, { wire: { mtu: 4000, rateMbps: 800 } });
    for (const role of ['client', 'server'] as const) {
      expect(onHost(testbed, role, 'ip link show eth0')).toContain('mtu 4000');
      expect(onHost(testbed, role, 'tc qdisc show dev eth0')).toContain('tbf');
      expect(onHost(testbed, role, 'tc qdisc show dev eth0')).toContain('rate 800Mbit');
    }
    await pathIsRight(testbed, 'flannel-vxlan');
  });

  test('sends no IPv6 packets on the wire', async () => {
    await using testbed = await openTestbed({ kind: 'netns' }, { wire });
    expect(onHost(testbed, 'client', 'ip -6 addr show dev eth0')).toBe('');
  });

  test('lists its limitations', async () => {
    await using testbed = await openTestbed({ kind: 'netns' }, { wire });
    const limitations = testbed.limitations.map((finding) => 'limitation' in finding && finding.limitation);
    expect(limitations).toEqual(expect.arrayContaining(['veth-wire', 'one-kernel']));
  });

  test('does not open for an interrupted study', async () => {
    const run = freshRunId();
    const options = { run, wire, signal: AbortSignal.abort(new RangeError('interrupted')) };
    await expect(openTestbed({ kind: 'netns' }, options)).rejects.toThrow('interrupted');
    expect(namespaces(run)).toEqual([]);
  });

  test('undoes its steps when it is interrupted while it opens', async () => {
    const run = freshRunId();
    const controller = new AbortController();
    const opening = openTestbed({ kind: 'netns' }, { run, wire, signal: controller.signal });
    controller.abort(new RangeError('interrupted'));
    await expect(opening).rejects.toThrow('interrupted');
    expect(namespaces(run)).toEqual([]);
  });

  test('changes nothing when one of its names is in use', async () => {
    const run = freshRunId();
    execFileSync('ip', ['netns', 'add', `bw-${run}-server`]);
    try {
      await expect(openTestbed({ kind: 'netns' }, { run, wire })).rejects.toMatchObject({
        code: 'step-failed',
      });
      expect(namespaces(run)).toEqual([`bw-${run}-server`]);
    } finally {
      execFileSync('ip', ['netns', 'del', `bw-${run}-server`]);
    }
  });
});
