import { execFileSync, spawn } from 'node:child_process';
import { once } from 'node:events';
import { existsSync, readdirSync, rmSync } from 'node:fs';
import { join } from 'node:path';
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, test, vi } from 'vitest';
import { endRuns } from '../cli/barewire.js';
import { buildImage, IMAGE_NAMES } from '../kubernetes/cluster/images.js';
import { assertNothingLeft, snapshotMachine, type MachineSnapshot } from '../leaks.js';
import { ETCD_START_MS } from '../service/etcd-programs.js';
import { NodeLab, PREFIX, type LabNode } from '../service/node-lab.js';
import { until } from '../service/until.js';
import { ClientHost, fetchFrom } from './clients/client-host.js';
import { Containerd } from './clients/containerd.js';
import { Podman, podmanRefusal } from './clients/podman.js';
import { buildPlugins } from './plugins/build.js';

vi.setConfig({ testTimeout: 90_000, hookTimeout: ETCD_START_MS });

/** What the clients create on the machine, outside of a folder that can be set: state of the runtimes, and podman's locks. */
const CLIENT_STATE = [
  '/run/containerd',
  '/run/runc',
  '/run/cni',
  '/dev/shm/libpod_lock',
  '/etc/cni/net.d/cni.lock',
];
/** Their cgroups, without processes, in each hierarchy. */
const clientGroups = (): string[] =>
  readdirSync('/sys/fs/cgroup').flatMap((hierarchy) =>
    ['default', 'libpod_parent'].map((name) => join('/sys/fs/cgroup', hierarchy, name)).filter(existsSync),
  );
const present = (): string[] => [...CLIENT_STATE.filter(existsSync), ...clientGroups()];
const presentBefore = present();

const plugins = await buildPlugins();
const noPodman = await podmanRefusal();
if (plugins === null) console.error('Skipped: clients with port mappings need plugins that Go builds');
if (noPodman !== null) console.error(`Skipped: ${noPodman}`);

const PAGE = 'Welcome to nginx!\n';
const [HOST_PORT, MAC] = [18_080, '02:11:22:33:44:55'];

let lab: NodeLab;
let before: MachineSnapshot;
let image: string;
beforeAll(async () => {
  before = await snapshotMachine();
  image = await buildImage('nginx', '');
  lab = await NodeLab.start(2, {});
});
beforeEach(() => lab.configure({ Network: '10.50.0.0/16', Backend: { Type: 'host-gw' } }));
afterEach(async () => {
  for (const node of lab.nodes) {
    await node.end();
    await node.leave();
  }
  await lab.etcd.ctl('del', '--prefix', `${PREFIX}/`);
  await endRuns();
});
afterAll(async () => {
  await lab[Symbol.asyncDispose]();
  for (const path of present().filter((each) => !presentBefore.includes(each)))
    if (path.startsWith('/sys/')) execFileSync('find', [path, '-depth', '-type', 'd', '-delete']);
    else rmSync(path, { recursive: true });
  await assertNothingLeft(before);
});

/** The client's node, and another one of its network. */
async function openHost(attachment: string): Promise<{ host: ClientHost; other: LabNode }> {
  const [node, other] = [lab.node(1), lab.node(2)];
  await Promise.all([node.start('--attachment', attachment), other.start()]);
  return { host: await ClientHost.open(node, plugins ?? ''), other };
}

/** Waits until a page is served to a namespace. */
const served = (netns: string, address: string, port = 80): Promise<void> =>
  until(
    `${address}:${port} answers`,
    async () => (await fetchFrom(netns, `http://${address}:${port}/`)) === PAGE,
  );

const pathOf = ({ netns }: LabNode): string => `/run/netns/${netns}`;
const firstAddress = (host: ClientHost): string => host.attachments()[0]?.addresses[0] ?? '';
const natRules = (host: ClientHost): string => host.node.sh('iptables-save -t nat');

describe.skipIf(plugins === null || noPodman !== null)('podman', () => {
  test.each(['bridge', 'ptp'])('podman runs, restarts and removes a container by %s', async (attachment) => {
    const { host: opened, other } = await openHost(attachment);
    await using host = opened;
    const podman = new Podman(host);
    await podman.run('load', '-i', image);
    const wanted = host.node.subnet().replace('.0/24', '.77');
    const how = ['--ip', wanted, '--mac-address', MAC, '-p', `${HOST_PORT}:80`];
    await podman.run('run', '-d', '--name', 'web', '--network', 'barewire', ...how, IMAGE_NAMES.nginx);
    try {
      const [first] = host.attachments();
      expect(first?.addresses).toEqual([wanted]);
      expect(JSON.parse(await podman.run('inspect', 'web'))).toMatchObject([
        { NetworkSettings: { Networks: { barewire: { IPAddress: wanted, MacAddress: MAC } } } },
      ]);
      await served(pathOf(other), wanted);
      for (const netns of [pathOf(other), pathOf(host.node), first?.netns ?? ''])
        await served(netns, host.node.address, HOST_PORT);
      const setting = ['cat', '/proc/sys/net/ipv4/conf/eth0/arp_ignore'];
      expect(execFileSync('nsenter', [`--net=${first?.netns ?? ''}`, ...setting], { encoding: 'utf8' })).toBe(
        '1\n',
      );

      await podman.run('restart', '-t', '0', 'web');
      expect(host.attachments()).toHaveLength(1);
      expect(host.attachments()[0]?.netns).not.toBe(first?.netns);
      await served(pathOf(other), host.node.address, HOST_PORT);
      expect(host.hostLinks()).toHaveLength(1);
    } finally {
      await podman.run('rm', '-f', '-t', '0', 'web');
    }
    expect([host.attachments(), host.hostLinks()]).toEqual([[], []]);
    expect(natRules(host)).not.toContain(wanted);
  });

  test('podman removes a container while the agent is down, and the next agent frees its address', async () => {
    const { host: opened, other } = await openHost('bridge');
    await using host = opened;
    const podman = new Podman(host);
    await podman.run('load', '-i', image);
    await podman.run('run', '-d', '--name', 'web', '--network', 'barewire', IMAGE_NAMES.nginx);
    try {
      const address = firstAddress(host);
      await host.node.stop('SIGKILL');
      await served(pathOf(other), address);
    } finally {
      // It reports that DEL failed, and removes the container.
      await podman.run('rm', '-f', '-t', '0', 'web').catch(() => undefined);
    }
    expect(await podman.run('ps', '-aq')).toBe('');
    expect(host.attachments()).toHaveLength(1);
    await host.node.start();
    await until('the address is free', () => host.attachments().length === 0);
    expect(host.hostLinks()).toEqual([]);
  });
});

describe.skipIf(plugins === null)('containerd', () => {
  test('containers of containerd survive its restart, and a removed name can be used again', async () => {
    const { host: opened, other } = await openHost('bridge');
    await using host = opened;
    const run = ['run', '-d', '--cni', IMAGE_NAMES.nginx];
    const first = await Containerd.start(host);
    await first.ctr('images', 'import', image);
    await first.ctr(...run, 'web');
    await first.stop();
    const address = firstAddress(host);
    await served(pathOf(other), address);
    await using containerd = await Containerd.start(host);
    await served(pathOf(other), address);
    await containerd.remove('web');
    // ctr sends no DEL for a container for which it does not wait: the agent finds that the namespace is gone.
    await until('the address is free', () => host.attachments().length === 0);
    expect(host.hostLinks()).toEqual([]);
    await containerd.ctr(...run, 'web');
    await served(pathOf(other), firstAddress(host));
  });

  test('the plugin accepts a DEL without a namespace, which ctr sends for a container that has exited', async () => {
    const { host: opened, other } = await openHost('bridge');
    await using host = opened;
    await using containerd = await Containerd.start(host);
    await containerd.ctr('images', 'import', image);
    const [command, ...args] = host.argv(
      ...containerd.argv('run', '--rm', '--null-io', '--cni', IMAGE_NAMES.nginx, 'front'),
    );
    const foreground = spawn(command, args, { stdio: 'ignore' });
    const ended = once(foreground, 'exit');
    await until('the container serves its page', async () => {
      const address = firstAddress(host);
      return (await fetchFrom(pathOf(other), `http://${address}/`)) === PAGE;
    });
    await containerd.ctr('tasks', 'kill', '-s', 'KILL', 'front');
    await ended;
    expect([host.attachments(), host.hostLinks()]).toEqual([[], []]);
  });
});

describe.skipIf(plugins === null)('cnitool', () => {
  test('cnitool attaches, checks and detaches by a chain, with CNI_ARGS and capabilities', async () => {
    const { host: opened } = await openHost('bridge');
    await using host = opened;
    const subnet = host.node.subnet().replace('.0/24', '');
    const names = ['a', 'b'].map((name) => `${lab.name}-${name}`);
    const tool = (verb: string, at: number, env: Readonly<Record<string, string>> = {}): Promise<string> =>
      host.run([join(plugins ?? '', 'cnitool'), verb, 'barewire', `/run/netns/${names[at] ?? ''}`], {
        CNI_PATH: join(host.node.folder, 'bin'),
        NETCONFPATH: join(host.node.folder, 'net.d'),
        ...env,
      });
    for (const name of names) execFileSync('ip', ['netns', 'add', name]);
    try {
      const portMappings = [{ hostPort: HOST_PORT, containerPort: 80, protocol: 'tcp' }];
      const capabilities = { CAP_ARGS: JSON.stringify({ portMappings, ips: [`${subnet}.80/24`], mac: MAC }) };
      const result: unknown = JSON.parse(await tool('add', 0, capabilities));
      expect(result).toMatchObject({ ips: [{ address: `${subnet}.80/24` }] });
      expect(JSON.stringify(result)).toContain(MAC);
      expect(natRules(host)).toContain(`--to-destination ${subnet}.80:80`);
      const mac = '02:11:22:33:44:66';
      await tool('add', 1, { CNI_ARGS: `IgnoreUnknown=1;K8S_POD_NAME=web;IP=${subnet}.81;MAC=${mac}` });
      const inside = execFileSync('ip', ['-n', names[1] ?? '', 'addr', 'show', 'eth0'], { encoding: 'utf8' });
      expect(inside).toContain(`${subnet}.81/24`);
      expect(inside).toContain(mac);
      await tool('check', 0, capabilities);
      await tool('check', 1);
      execFileSync('ip', ['-n', names[1] ?? '', 'addr', 'flush', 'dev', 'eth0']);
      await expect(tool('check', 1)).rejects.toThrow(/has no address/);
      await tool('del', 0, capabilities);
      expect(natRules(host)).not.toContain(`${subnet}.80`);
      await tool('del', 1);
      expect([host.attachments(), host.hostLinks()]).toEqual([[], []]);
    } finally {
      for (const name of names) execFileSync('ip', ['netns', 'del', name]);
    }
  });
});
