import { expect, test } from 'vitest';
import type { NodeView } from '../../src/service/desired.js';
import type { Lease } from '../../src/service/flannel/lease.js';
import { parseNetworkConfig } from '../../src/service/flannel/network-config.js';
import { Peers } from '../../src/service/peers.js';

const view: NodeView = {
  config: parseNetworkConfig('{"Network":"10.50.0.0/16","Backend":{"Type":"host-gw"}}'),
  external: {
    ...{ dev: 'eth0', mtu: 1500, mac: '02:00:00:00:00:01', publicIp: '10.99.0.1', publicIpv6: null },
    ...{ ipv4: { address: '10.99.0.1', prefix: 24 }, ipv6: null },
  },
  ...{ subnet: '10.50.1.0/24', ipv6Subnet: null, tunnelMacs: { ipv4: '', ipv6: '' } },
  ...{ attachment: 'bridge', key: null, vpc: null },
};
const lease = (number: number, node: number): Lease => ({
  ...{ subnet: `10.50.${number}.0/24`, ipv6Subnet: null },
  attributes: { publicIp: `10.99.0.${node}`, publicIpv6: null, backendType: 'host-gw' },
});
const route = (number: number, node: number) => ({
  ...{ kind: 'route', destination: `10.50.${number}.0/24`, via: `10.99.0.${node}`, link: 'eth0' },
});

test.each(['update', 'change'] as const)(
  '%s: the route to a peer goes when its lease becomes the own',
  (how) => {
    const peers = new Peers(view);
    expect(peers.update([lease(2, 2), lease(3, 3)])).toEqual([
      { verb: 'add', object: route(2, 2) },
      { verb: 'add', object: route(3, 3) },
    ]);
    const edits =
      how === 'update'
        ? peers.update([lease(2, 1), lease(3, 3)])
        : peers.change({ put: [lease(2, 1)], removed: [] });
    expect(edits.filter(({ verb }) => verb === 'remove')).toEqual([{ verb: 'remove', object: route(2, 2) }]);
    expect(peers.objects()).toEqual([route(3, 3)]);
    expect(peers.size).toBe(1);
  },
);

test("a subnet that becomes a peer's after a move gets a route", () => {
  const peers = new Peers(view);
  peers.update([lease(1, 2), lease(4, 1)]);
  expect(peers.objects()).toEqual([]);
  peers.setView({ ...view, subnet: '10.50.4.0/24' });
  expect(peers.objects()).toEqual([route(1, 2)]);
});
