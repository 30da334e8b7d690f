import { existsSync, readdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import type { Machine } from '../../src/machine/index.js';
import {
  command,
  connectTestHost,
  directory,
  everyKind,
  file,
  link,
  rejection,
  sh,
  sysctl,
  type ConnectedHost,
  type TestHost,
} from './test-host.js';

let connected: ConnectedHost;
let testHost: TestHost;
let machine: Machine;
beforeEach(async () => {
  connected = await connectTestHost();
  ({ testHost, machine } = connected);
});
afterEach(() => connected[Symbol.asyncDispose]());

const journals = (): string[] => readdirSync(join(testHost.folder, 'state/journal'));
const inHost = (...argv: string[]): string => sh('nsenter', `--net=/run/netns/${testHost.netns}`, ...argv);

describe('applying and undoing', () => {
  test('every kind of step is undone completely', async () => {
    const before = testHost.dump();
    const applied = await machine.apply(everyKind(`${testHost.netns}-c`, testHost.folder));
    expect(applied.steps).toBe(14);
    expect(testHost.dump()).not.toBe(before);
    const undone = await machine.undo(applied.mark);
    expect(undone.steps).toBe(14);
    expect(testHost.dump()).toBe(before);
    expect(existsSync(join(testHost.folder, 'a'))).toBe(false);
    expect(existsSync(`/run/netns/${testHost.netns}-c`)).toBe(false);
  });

  test('undo is idempotent', async () => {
    const before = testHost.dump();
    const { mark } = await machine.apply(everyKind(`${testHost.netns}-c`, testHost.folder));
    await machine.undo(mark);
    expect((await machine.undo(mark)).steps).toBe(0);
    expect(testHost.dump()).toBe(before);
  });

  test('undo accepts what another program removed', async () => {
    const before = testHost.dump();
    const { mark } = await machine.apply(everyKind(`${testHost.netns}-c`, testHost.folder));
    inHost('ip', 'link', 'del', 'cni0');
    inHost('ip', 'route', 'del', '198.18.2.0/24');
    sh('ip', 'netns', 'del', `${testHost.netns}-c`);
    await machine.undo(mark);
    expect(testHost.dump()).toBe(before);
  });

  test('undo stops at a mark', async () => {
    await machine.apply([command(null, 'ip link add first type bridge', link('first'))]);
    const between = testHost.dump();
    const { mark } = await machine.apply([command(null, 'ip link add second type bridge', link('second'))]);
    await machine.undo(mark);
    expect(testHost.dump()).toBe(between);
  });

  test('disposing undoes all steps and removes the journal', async () => {
    const before = testHost.dump();
    await machine.apply(everyKind(`${testHost.netns}-c`, testHost.folder));
    expect(journals()).toEqual([`${testHost.run}-server.jsonl`]);
    await machine[Symbol.asyncDispose]();
    expect(testHost.dump()).toBe(before);
    expect(journals()).toEqual([]);
  });

  test('a step is journaled before it is applied', async () => {
    await rejection(machine.apply([command(null, 'ip link add x type nosuchtype', link('x'))]));
    const text = readFileSync(join(testHost.folder, `state/journal/${testHost.run}-server.jsonl`), 'utf8');
    expect(text).toContain('nosuchtype');
  });
});

test.each(['fd00:1:2::/64', '2001:db8::1', 'fd00:7::/48', '::/0'])(
  'a route of IPv6 to %s is undone, and refused where there is one',
  async (destination) => {
    inHost('sysctl', '-qw', 'net.ipv6.conf.all.disable_ipv6=0', 'net.ipv6.conf.eth0.accept_dad=0');
    const add = command(null, `ip -6 route add ${destination} dev eth0`, {
      kind: 'route',
      netns: null,
      destination,
    });
    await machine.apply([add]);
    expect(await rejection(machine.apply([{ ...add, why: 'again' }]))).toMatchObject({ code: 'step-failed' });
    await machine.undo();
    expect(inHost('ip', '-6', 'route', 'show', 'exact', destination)).not.toContain(
      destination.replace(/\/\d+$/, ''),
    );
  },
);

describe('settings', () => {
  test('are restored to the value before the step', async () => {
    inHost('sysctl', '-qw', 'net.ipv4.tcp_rmem=4096 100000 200000');
    await machine.apply([sysctl('net.ipv4.tcp_rmem', '4096 131072 6291456')]);
    await machine.apply([sysctl('net.ipv4.tcp_rmem', '4096 1 2')]);
    await machine.undo();
    expect(inHost('sysctl', '-n', 'net.ipv4.tcp_rmem').trim()).toBe('4096\t100000\t200000');
  });

  test('are restored together with the settings that they change', async () => {
    inHost('sysctl', '-qw', 'net.ipv4.conf.eth0.forwarding=1', 'net.ipv4.conf.all.accept_redirects=0');
    const before = testHost.dump();
    const { mark } = await machine.apply([sysctl('net.ipv4.ip_forward', '1')]);
    await machine.undo(mark);
    expect(testHost.dump()).toBe(before);
  });

  test('of a link whose name has a dot are reached by a slash in the key', async () => {
    await machine.apply([sysctl('net.ipv4.conf.flannel/1.rp_filter', '2')]);
    expect(inHost('cat', '/proc/sys/net/ipv4/conf/flannel.1/rp_filter').trim()).toBe('2');
  });

  test('of a link that an earlier step creates are removed with it', async () => {
    const before = testHost.dump();
    await machine.apply([
      command(null, 'ip link add cni0 type bridge', link('cni0')),
      sysctl('net.ipv4.conf.cni0.rp_filter', '2'),
    ]);
    await machine.undo();
    expect(testHost.dump()).toBe(before);
  });
});

describe('an object that existed before:', () => {
  const existing = {
    link: () => command(null, 'ip link add flannel.1 type bridge', link('flannel.1')),
    namespace: () => command(null, `ip netns add ${testHost.netns}`, { kind: 'netns', name: testHost.netns }),
    route: () =>
      command(null, 'ip route add 203.0.113.0/24 dev eth0 metric 5', {
        kind: 'route',
        netns: null,
        destination: '203.0.113.0/24',
      }),
    file: () => file(join(testHost.folder, 'own')),
    directory: () => directory(testHost.folder),
  } as const;

  test.each(Object.keys(existing) as (keyof typeof existing)[])(
    'a %s is refused and untouched',
    async (kind) => {
      writeFileSync(join(testHost.folder, 'own'), 'precious');
      const before = testHost.dump();
      const error = await rejection(
        machine.apply([command(null, 'ip link set lo mtu 9000'), existing[kind]()]),
      );
      expect(error).toMatchObject({ code: 'step-failed' });
      expect(error.message).toContain("exists and is not Barewire's");
      await machine[Symbol.asyncDispose]();
      expect(testHost.dump()).toBe(before);
      expect(readFileSync(join(testHost.folder, 'own'), 'utf8')).toBe('precious');
    },
  );

  test('a qdisc that an administrator chose is refused and unchanged', async () => {
    inHost(
      'tc',
      'qdisc',
      'add',
      'dev',
      'eth0',
      'root',
      'tbf',
      'rate',
      '1gbit',
      'burst',
      '64k',
      'latency',
      '9ms',
    );
    const before = testHost.dump();
    const step = command(null, 'tc qdisc replace dev eth0 root pfifo', {
      kind: 'qdisc',
      netns: null,
      link: 'eth0',
    });
    expect(await rejection(machine.apply([step]))).toMatchObject({ code: 'step-failed' });
    await machine.undo();
    expect(testHost.dump()).toBe(before);
  });
});

describe('a step that fails', () => {
  test('in a batch is reported with its line and the error of ip', async () => {
    const error = await rejection(
      machine.apply([
        command(null, 'ip link add cni0 type bridge', link('cni0')),
        command(null, 'ip link set veth9 master cni0'),
        command(null, 'ip link add later type bridge', link('later')),
      ]),
    );
    expect(error.message).toBe(
      'server: ip link set veth9 master cni0: ip link set veth9 master cni0 failed: Cannot find device "veth9"',
    );
  });

  test('leaves earlier steps journaled and later steps unapplied', async () => {
    const before = testHost.dump();
    await rejection(
      machine.apply([
        command(null, 'ip link add cni0 type bridge', link('cni0')),
        command(null, 'ip link set veth9 master cni0'),
        command(null, 'ip link add later type bridge', link('later')),
      ]),
    );
    expect(inHost('ip', 'link')).toContain('cni0');
    expect(inHost('ip', 'link')).not.toContain('later');
    await machine.undo();
    expect(testHost.dump()).toBe(before);
  });

  test('by a word that ip does not know is found in the batch', async () => {
    const error = await rejection(
      machine.apply([command(null, 'ip link set lo up'), command(null, 'ip link set lo nonsense 3')]),
    );
    expect(error).toMatchObject({ code: 'step-failed' });
    expect(error.message).toContain('ip link set lo nonsense 3');
  });

  test('in a missing namespace is reported', async () => {
    const error = await rejection(machine.apply([command('mt-nowhere', 'ip link set lo up')]));
    expect(error).toMatchObject({ code: 'step-failed' });
    expect(error.message).toContain('mt-nowhere');
  });

  test('by a value that the kernel refuses is reported', async () => {
    const error = await rejection(machine.apply([sysctl('net.ipv4.ip_forward', 'maybe')]));
    expect(error).toMatchObject({ code: 'step-failed' });
    expect(error.message).toContain('sysctl -w net.ipv4.ip_forward=maybe failed: EINVAL');
  });
});

test('an argument with a space reaches the tool unsplit', async () => {
  await machine.apply([
    command(null, 'ip link add cni0 type bridge', link('cni0')),
    {
      why: 'name it',
      do: { kind: 'command', tool: 'ip', netns: null, args: ['link', 'set', 'cni0', 'alias', 'a # "b"'] },
      undo: null,
    },
  ]);
  expect(inHost('ip', 'link', 'show', 'cni0')).toContain('alias a # "b"');
});

test('a step that cannot be undone is reported, and the others are undone', async () => {
  const before = testHost.dump();
  const { mark } = await machine.apply([
    command(null, 'ip link add cni0 type bridge', link('cni0')),
    file(join(testHost.folder, 'f')),
  ]);
  sh('chattr', '+i', join(testHost.folder, 'f'));
  const error = await rejection(machine.undo(mark));
  sh('chattr', '-i', join(testHost.folder, 'f'));
  expect(error).toMatchObject({ code: 'undo-failed' });
  expect(error.message).toContain(`file ${join(testHost.folder, 'f')}`);
  expect(testHost.dump()).toBe(before);
  await machine.undo(mark);
  expect(existsSync(join(testHost.folder, 'f'))).toBe(false);
});
