import { execFileSync } from 'node:child_process';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { attach } from '../../src/cni/attach.js';
import { KernelNetwork, type KernelEdit } from '../../src/machine/index.js';
import { netnsPath } from '../../src/linux/index.js';
import {
  backendChanges,
  bridge,
  hostGw,
  isKernelChange,
  macvlan,
  ptp,
  vxlanBackend,
  VXLAN_DEFAULTS,
  type Attachment,
  type Backend,
  type ContainerPlan,
  type HostView,
  type NetworkHost,
} from '../../src/network/index.js';
import { toSteps } from '../../src/network/changes.js';
import { printAction, type KernelObject } from '../../src/schema/index.js';

const sh = (line: string): string => execFileSync('sh', ['-c', line], { encoding: 'utf8' });
const HOST = 'bwt-kernel';
const INSIDE = 'bwt-kernel-c1';
const PROTOCOL = 66;

const create = (): void => {
  for (const name of [HOST, INSIDE]) sh(`ip netns add ${name}`);
  sh(`ip -n ${HOST} link add eth0 address 02:00:00:00:00:01 type veth peer name far`);
  sh(`ip -n ${HOST} addr add 198.18.0.1/24 dev eth0`);
  sh(`ip -n ${HOST} link set far up; ip -n ${HOST} link set eth0 up`);
};
const remove = (): void => {
  for (const name of [HOST, INSIDE]) sh(`ip netns del ${name}`);
};
const recreate = (): void => {
  remove();
  create();
};
beforeEach(create);
afterEach(remove);

const add = (object: KernelObject): KernelEdit => ({ verb: 'add', object });
const openHost = (): KernelNetwork => new KernelNetwork(netnsPath(HOST), PROTOCOL);

/** What iproute2 shows of the namespace, without what differs between two namespaces of one content. */
const show = (name: string): string[] =>
  ['-d link', 'addr', 'route show table all', '-6 route show table all', 'neigh']
    .map((what) => sh(`ip -n ${name} ${what}`))
    .concat(sh(`bridge -n ${name} fdb`))
    .flatMap((text) => text.split('\n').filter((line) => !line.startsWith('33:33:')))
    .map((line) => (/lladdr| dst /.test(line) ? line : line.replaceAll(MAC, '')))
    .map((line) => line.replaceAll(CHANCE, '').replaceAll(/\s+/g, ' ').trim())
    .filter((line) => line !== '' && !line.includes('fe80::'))
    .sort();
/** The kernel draws those that the objects do not name. */
const MAC = /(?:[0-9a-f]{4}\.)?[0-9a-f]{1,2}(?::[0-9a-f]{1,2}){5}/g;
/** Indexes, timers, states that follow a moment later, and who made a route. */
const CHANCE =
  /^\d+:|\w+_timer +\S+|@if\d+|(?:proto|link-netns\S*|state) \S+|[,<](?:LOWER_UP|NO-CARRIER)|tentative/g;

const host = (index: number): NetworkHost => ({
  name: `h${index}`,
  index,
  dev: 'eth0',
  address: `198.18.0.${index}`,
  prefix: 24,
  mac: `02:00:00:00:00:0${index}`,
  mtu: 1500,
});
const site: HostView = { run: 'k', station: 'k', host: host(1), peers: [host(2), host(3)] };
const container: ContainerPlan = {
  number: 1,
  netns: INSIDE,
  hostLink: 'bwt-c1',
  address: '198.19.1.2',
  prefix: 24,
  gateway: '198.19.1.1',
  mtu: 1400,
};
const NETWORKS: Readonly<Record<string, readonly [Backend, Attachment]>> = {
  'vxlan and bridge': [vxlanBackend(VXLAN_DEFAULTS), bridge],
  'host-gw and ptp': [hostGw, ptp],
  'host-gw and macvlan': [hostGw, macvlan],
  'vxlan with direct routes and bridge': [vxlanBackend({ ...VXLAN_DEFAULTS, directRouting: true }), bridge],
};

describe('the objects of a network by netlink are those of its steps', () => {
  test.each(Object.entries(NETWORKS))('%s', (_, [backend, attachment]) => {
    const changes = [
      ...attachment.prepare(site, container),
      ...backendChanges(site, backend),
      ...attachment.join(site, container).changes,
    ].filter(isKernelChange);
    for (const step of toSteps(changes)) {
      const line = printAction(step.do);
      sh(
        line.startsWith('sysctl')
          ? `ip netns exec ${HOST} ${line}`
          : line.replace(/^(ip|bridge) (?!-n)/, `$1 -n ${HOST} `),
      );
    }
    const bySteps = [show(HOST), show(INSIDE)];
    recreate();
    using own = openHost();
    using inside = new KernelNetwork(netnsPath(INSIDE), PROTOCOL);
    expect(attach(own, inside, changes)).toBeNull();
    expect([show(HOST), show(INSIDE)]).toEqual(bySteps);
  });
});

test('what is added is read, and what is removed is gone', () => {
  using kernel = openHost();
  const objects: KernelObject[] = [
    {
      kind: 'link',
      type: 'vxlan',
      name: 'flannel.1',
      mac: '02:11:22:33:44:55',
      mtu: 1450,
      up: true,
      vni: 1,
      port: 8472,
      dev: 'eth0',
      local: '198.18.0.1',
    },
    { kind: 'address', link: 'flannel.1', address: '10.1.1.0/32' },
    { kind: 'neighbour', link: 'flannel.1', address: '10.1.2.0', mac: '02:11:22:33:44:66' },
    { kind: 'forwarding', link: 'flannel.1', mac: '02:11:22:33:44:66', to: '198.18.0.2' },
    { kind: 'route', destination: '10.1.2.0/24', via: '10.1.2.0', link: 'flannel.1', onlink: true },
  ];
  expect(kernel.apply(objects.map(add))).toEqual([]);
  const { links, addresses, routes, neighbours, forwarding } = kernel.read();
  expect(links.get('flannel.1')).toMatchObject({
    mtu: 1450,
    mac: '02:11:22:33:44:55',
    up: true,
    dev: 'eth0',
    type: 'vxlan',
    vxlan: { vni: 1, port: 8472, local: '198.18.0.1', learning: false },
  });
  expect(addresses).toContainEqual(objects[1]);
  expect(neighbours).toEqual([objects[2]]);
  expect(forwarding.filter(({ link }) => link === 'flannel.1')).toEqual([objects[3]]);
  expect(routes.filter(({ protocol }) => protocol === PROTOCOL)).toEqual([
    { ...objects[4], protocol: PROTOCOL },
  ]);
  const [, ...removable] = objects;
  expect(kernel.apply(removable.reverse().map((object) => ({ verb: 'remove', object })))).toEqual([]);
  const after = kernel.read();
  expect(after.routes.filter(({ protocol }) => protocol === PROTOCOL)).toEqual([]);
  expect(after.neighbours).toEqual([]);
  expect(after.forwarding.filter(({ link }) => link === 'flannel.1')).toEqual([]);
  // Removing what is gone succeeds.
  expect(kernel.apply(removable.map((object) => ({ verb: 'remove', object })))).toEqual([]);
});

test('a refused edit is reported with the text of the kernel, and the others are applied', () => {
  using kernel = openHost();
  const edits = [
    add({ kind: 'route', destination: '10.1.2.0/24', via: '203.0.113.9', link: 'eth0' }),
    add({ kind: 'route', destination: '10.1.3.0/24', via: '198.18.0.3', link: 'eth0' }),
    add({ kind: 'address', link: 'absent', address: '10.1.1.1/24' }),
  ];
  const failures = kernel.apply(edits);
  expect(failures.map(({ edit }) => edit)).toEqual([edits[2], edits[0]]);
  expect(failures.map(({ reason }) => reason).join()).toMatch(
    /ENETUNREACH.*gateway.*|there is no link absent/,
  );
  expect(kernel.read().routes.map(({ destination }) => destination)).toContain('10.1.3.0/24');
});

test('a link of another owner keeps its alias, and its creation is refused once', () => {
  using kernel = openHost();
  sh(`ip -n ${HOST} link add flannel.1 type bridge`);
  const edit: KernelEdit = {
    verb: 'add',
    object: { kind: 'link', type: 'bridge', name: 'flannel.1' },
    alias: 'own',
  };
  expect(kernel.apply([edit])).toEqual([{ edit, reason: 'EEXIST' }]);
  expect(kernel.links().get('flannel.1')?.alias).toBeNull();
});

test('a link that cannot be created is one failure', () => {
  using kernel = openHost();
  const edit: KernelEdit = {
    verb: 'add',
    object: { kind: 'link', type: 'bridge', name: 'too-long-for-the-kernel' },
    alias: 'own',
  };
  expect(kernel.apply([edit])).toHaveLength(1);
});

test('the link that a container needs on its host has its alias from the start', () => {
  using own = openHost();
  using inside = new KernelNetwork(netnsPath(INSIDE), PROTOCOL);
  const prepared = bridge.prepare(site, container).filter(isKernelChange);
  const address = prepared.findIndex(({ object }) => object.kind === 'address');
  // The next change is not applied: the process was killed.
  expect(attach(own, inside, prepared.slice(0, address), 'own')).toBeNull();
  const made = [...own.links().values()].filter(({ type }) => type === 'bridge');
  expect(made.map(({ alias }) => alias)).toEqual(['own']);
});

test('a setting that cannot be written is reported, and the other edits are applied', () => {
  using kernel = openHost();
  const edits = [
    add({ kind: 'route', destination: '10.1.2.0/24', via: '198.18.0.2', link: 'eth0' }),
    add({ kind: 'setting', key: 'net.ipv4.conf.absent.rp_filter', value: '0' }),
    add({ kind: 'route', destination: '10.1.3.0/24', via: '198.18.0.3', link: 'eth0' }),
  ];
  expect(kernel.apply(edits).map(({ edit }) => edit)).toEqual([edits[1]]);
  const found = kernel.read().routes.map(({ destination }) => destination);
  expect(found).toEqual(expect.arrayContaining(['10.1.2.0/24', '10.1.3.0/24']));
});

test('five thousand routes in one call are all there', () => {
  using kernel = openHost();
  const routes = Array.from({ length: 5_000 }, (_, at) => ({
    kind: 'route' as const,
    destination: `10.${at >> 8}.${at & 255}.0/24`,
    via: '198.18.0.2',
    link: 'eth0',
  }));
  expect(kernel.apply(routes.map(add))).toEqual([]);
  expect(kernel.read().routes.filter(({ protocol }) => protocol === PROTOCOL)).toHaveLength(5_000);
});
