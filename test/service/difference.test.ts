import { expect, test } from 'vitest';
import type { KernelLink, KernelState } from '../../src/linux/index.js';
import type { KernelObject } from '../../src/schema/index.js';
import { findDifference } from '../../src/service/difference.js';

const link = (index: number, name: string, more: Partial<KernelLink> = {}): KernelLink => ({
  ...{ index, name, up: true, mtu: 1500, mac: null, master: null, dev: null, alias: null },
  ...{ type: null, vxlan: null, ipipLocal: null, ipvlanMode: null },
  ...more,
});
const stateOf = (...links: KernelLink[]): KernelState => ({
  links: new Map(links.map((each) => [each.name, each])),
  ...{ addresses: [], routes: [], neighbours: [], forwarding: [], wireguard: [] },
});
const MARKS = { alias: 'own', protocol: 66 };

test('a link of another owner that has the name of a tunnel gets no addresses, neighbours and routes', () => {
  const mac = '02:00:00:00:00:09';
  const tunnel: KernelObject[] = [
    {
      ...{ kind: 'link', type: 'vxlan', name: 'flannel.1', mac: '02:00:00:00:00:01', mtu: 1450, up: true },
      ...{ vni: 1, port: 8472, dev: 'eth0', local: '10.99.0.1' },
    },
    { kind: 'address', link: 'flannel.1', address: '10.50.1.0/32' },
    { kind: 'neighbour', link: 'flannel.1', address: '10.50.2.0', mac },
    { kind: 'forwarding', link: 'flannel.1', mac, to: '10.99.0.2' },
    { kind: 'route', destination: '10.50.2.0/24', via: '10.50.2.0', link: 'flannel.1', onlink: true },
  ];
  const direct: KernelObject = {
    ...{ kind: 'route', destination: '10.50.3.0/24', via: '10.99.0.3', link: 'eth0' },
  };
  const state = stateOf(link(1, 'eth0'), link(2, 'flannel.1', { type: 'bridge' }));
  expect(findDifference([...tunnel, direct], state, MARKS)).toEqual({
    conflicts: [{ link: 'flannel.1', found: 'a link of type bridge' }],
    edits: [{ verb: 'add', object: direct }],
  });
});
