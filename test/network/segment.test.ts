import { describe, expect, test } from 'vitest';
import { findNetwork, type NetworkHost } from '../../src/network/index.js';
import { twoHosts } from './request.js';

const hostsAt = (prefix: number, ...addresses: readonly string[]): NetworkHost[] =>
  twoHosts.hosts.map((host, at) => ({ ...host, prefix, address: addresses[at] ?? host.address }));
const addressesOf = (name: string, hosts: NetworkHost[]): string[] =>
  findNetwork(name)
    .plan({ run: 'r1', hosts })
    .map(({ container }) => container.address);

describe('containers beside their hosts', () => {
  test.each([
    [24, ['10.1.2.3', '10.1.2.4'], ['10.1.2.33', '10.1.2.65']],
    [20, ['172.31.17.3', '172.31.30.4'], ['172.31.16.33', '172.31.16.65']],
  ])('take addresses of the hosts\u2019 /%i', (prefix, hosts, containers) => {
    expect(addressesOf('macvlan', hostsAt(prefix, ...hosts))).toEqual(containers);
  });

  test.each([
    [
      ['2001:db8::1', '2001:db8::2'],
      ['2001:db8::21', '2001:db8::41'],
    ],
    [
      ['2001:db8:0:1:0:0:0:a', '2001:db8:0:1::b'],
      ['2001:db8:0:1::21', '2001:db8:0:1::41'],
    ],
    [
      ['fd00:1:0:0:1::1', 'fd00:1::2'],
      ['fd00:1::21', 'fd00:1::41'],
    ],
    [
      ['1:0:0:4:5:6:7:8', '1:0:0:4::1'],
      ['1:0:0:4::21', '1:0:0:4::41'],
    ],
  ])('take IPv6 addresses of %j', (hosts, containers) => {
    expect(addressesOf('macvlan', hostsAt(64, ...hosts))).toEqual(containers);
  });

  test('are refused where the segment is too small', () => {
    const small = hostsAt(28, '10.1.2.3', '10.1.2.4');
    expect(() => addressesOf('macvlan', small)).toThrow(
      /its segment 10\.1\.2\.0\/28 ends before 10\.1\.2\.33/,
    );
    expect(addressesOf('flannel-host-gw', small)).toEqual(['198.19.1.2', '198.19.2.2']);
    expect(addressesOf('host', small)).toEqual(['10.1.2.3', '10.1.2.4']);
  });

  test('are refused where a host has their address', () => {
    const taken = hostsAt(24, '10.1.2.3', '10.1.2.33');
    expect(() => addressesOf('ipvlan', taken)).toThrow(/has server at 10\.1\.2\.33/);
  });
});

describe('hosts with a router between them', () => {
  const apart = hostsAt(24, '10.1.2.3', '10.1.3.4');

  test.each(['flannel-host-gw', 'host-gw-ptp', 'macvlan', 'ipvlan', 'ipvlan-l3'])(
    'are refused for %s',
    (name) => {
      expect(() => addressesOf(name, apart)).toThrow(
        /client is in 10\.1\.2\.0\/24, server in 10\.1\.3\.0\/24/,
      );
    },
  );

  test.each(['host', 'flannel-vxlan', 'flannel-ipip', 'flannel-aws-vpc'])('do for %s', (name) => {
    expect(addressesOf(name, apart)).toHaveLength(2);
  });
});
