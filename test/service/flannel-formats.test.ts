import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { addressToNumber, numberToAddress } from '../../src/network/index.js';
import {
  parseLeaseKey,
  parseLeaseValue,
  parseNetworkConfig,
  parseSubnetEnv,
  printLeaseKey,
  printLeaseValue,
  printSubnetEnv,
} from '../../src/service/index.js';

const ipv6 = fc.bigInt({ min: 0n, max: (1n << 128n) - 1n });
/** Addresses with runs of zeros, as people choose them. */
const sparseIpv6 = fc
  .array(fc.oneof(fc.constant(0n), fc.constantFrom(0xfd50n, 0x50n, 0x100n), fc.bigInt(0n, 0xffffn)), {
    minLength: 8,
    maxLength: 8,
  })
  .map((groups) => groups.reduce((sum, group) => (sum << 16n) + group, 0n));

test('IPv6 addresses are printed as the URL standard prints them, which is RFC 5952', () => {
  fc.assert(
    fc.property(fc.oneof(ipv6, sparseIpv6), (value) => {
      const printed = numberToAddress(value, 6);
      expect(addressToNumber(printed)).toBe(value);
      expect(new URL(`http://[${printed}]/`).hostname).toBe(`[${printed}]`);
    }),
    { numRuns: 500 },
  );
  expect(numberToAddress(addressToNumber('fd50:0:0:62:1:2:3:4'), 6)).toBe('fd50::62:1:2:3:4');
});

describe('the flannel config', () => {
  test('has the defaults of flanneld', () => {
    expect(parseNetworkConfig('{"Network":"10.50.0.0/16","Backend":{"Type":"VXLAN"}}')).toEqual({
      ipv4: { network: '10.50.0.0/16', subnetLength: 24, subnetMin: '10.50.1.0', subnetMax: '10.50.255.0' },
      ipv6: null,
      enableNftables: false,
      backend: {
        type: 'vxlan',
        vni: null,
        port: null,
        mtu: null,
        directRouting: false,
        gbp: false,
        learning: false,
        wireguard: null,
        routeTableIds: [],
        rest: {},
      },
    });
  });

  test.each([
    ['10.50.0.0/22', 24, '10.50.1.0', '10.50.3.0'],
    ['10.50.0.0/23', 25, '10.50.0.128', '10.50.1.128'],
    ['10.50.0.0/28', 30, '10.50.0.4', '10.50.0.12'],
    ['10.50.7.9/16', 24, '10.50.1.0', '10.50.255.0'],
  ])('gives a network of %s subnets of /%i from %s to %s', (network, subnetLength, subnetMin, subnetMax) => {
    expect(parseNetworkConfig(JSON.stringify({ Network: network })).ipv4).toMatchObject({
      subnetLength,
      subnetMin,
      subnetMax,
    });
  });

  test('matches keys without case and keeps what it does not know of the backend', () => {
    const text = JSON.stringify({
      NETWORK: '10.0.0.0/8',
      subnetlen: 20,
      SubnetMin: '10.10.0.0',
      subnetMax: '10.99.0.0',
      enableIPV6: true,
      ipv6network: 'FD50::/48',
      EnableNftables: true,
      Unknown: [1],
      backend: { type: 'aws-vpc', vni: 7, PORT: 8472, directrouting: true, RouteTableID: 'rtb-1', PSK: 'x' },
    });
    expect(parseNetworkConfig(text)).toEqual({
      ipv4: { network: '10.0.0.0/8', subnetLength: 20, subnetMin: '10.10.0.0', subnetMax: '10.99.0.0' },
      ipv6: {
        network: 'fd50::/48',
        subnetLength: 64,
        subnetMin: 'fd50:0:0:1::',
        subnetMax: 'fd50:0:0:ffff::',
      },
      enableNftables: true,
      backend: {
        type: 'aws-vpc',
        vni: 7,
        port: 8472,
        mtu: null,
        directRouting: true,
        gbp: false,
        learning: false,
        wireguard: null,
        routeTableIds: ['rtb-1'],
        rest: { PSK: 'x' },
      },
    });
  });

  test.each([
    ['not JSON', /not JSON/],
    ['[]', /must be an object/],
    ['{}', /Network .* got `null`/],
    ['{"Network":"10.50.0.0"}', /Network .* got `"10\.50\.0\.0"`/],
    ['{"Network":"fd50::/48"}', /Network .* got `"fd50::\/48"`/],
    ['{"Network":"10.50.0.0/29"}', /Network .* be a \/28 or larger, got `"10\.50\.0\.0\/29"`/],
    ['{"Network":"10.50.0.0/16","SubnetLen":31}', /SubnetLen .* from 0 to 30, got `31`/],
    ['{"Network":"10.50.0.0/16","SubnetLen":17}', /SubnetLen .* be 18 or more.*got `17`/],
    ['{"Network":"10.50.0.0/16","SubnetLen":"24"}', /SubnetLen .* got `"24"`/],
    [
      '{"Network":"10.50.0.0/16","SubnetMin":"10.51.0.0"}',
      /SubnetMin .* in 10\.50\.0\.0\/16, got `"10\.51\.0\.0"`/,
    ],
    [
      '{"Network":"10.50.0.0/16","SubnetMax":"10.50.9.1"}',
      /SubnetMax .* first address of a \/24, got `"10\.50\.9\.1"`/,
    ],
    ['{"Network":"10.50.0.0/16","EnableIPv6":true}', /IPv6Network .* got `null`/],
    [
      '{"Network":"10.50.0.0/16","EnableIPv6":true,"IPv6Network":"fd50::/125"}',
      /IPv6Network .* \/124 or larger/,
    ],
    ['{"Network":"10.50.0.0/16","EnableIPv4":false}', /EnableIPv4 /],
    ['{"Network":"10.50.0.0/16","Backend":{"Type":"vxlan","VNI":"1"}}', /Backend\.VNI .* got `"1"`/],
    [
      '{"Network":"10.50.0.0/16","Backend":{"Type":"aws-vpc","RouteTableID":3}}',
      /Backend\.RouteTableID .* got `3`/,
    ],
  ])('%s is refused with the key and the value', (text, message) => {
    expect(() => parseNetworkConfig(text)).toThrow(message);
  });
});

describe('a lease', () => {
  const VALUES = [
    '{"PublicIP":"10.99.0.1","PublicIPv6":null,"BackendType":"vxlan","BackendData":{"VNI":1,"VtepMAC":"da:8a:01:02:03:04"}}',
    '{"PublicIP":"10.99.0.2","PublicIPv6":null,"BackendType":"host-gw"}',
    '{"PublicIP":"10.99.0.2","PublicIPv6":"fd00::2","BackendType":"vxlan","BackendData":{"VNI":1},"BackendV6Data":{"VNI":1}}',
    '{"PublicIP":"10.99.0.2","PublicIPv6":null,"BackendType":"host-gw","Rack":{"row":[1,2]},"Zone":"b"}',
  ];

  test.each(VALUES)('value keeps every byte: %s', (text) => {
    const value = parseLeaseValue(text);
    expect(value.ok && printLeaseValue(value.attributes)).toBe(text);
  });

  test.each(['10.50.52.0-24', '10.50.53.0-24&fd50:0:0:62::-64', '10.50.0.4-30'])(
    'key %s keeps every byte',
    (name) => {
      const subnets = parseLeaseKey(name);
      expect(subnets && printLeaseKey(subnets)).toBe(name);
    },
  );

  test.each([
    '',
    'config',
    '10.50.52.0',
    '10.50.52-24',
    '10.50.300.0-24',
    '10.50.52.0-33',
    'fd50::-64',
    '1.2.3.0-24&x-64',
  ])('key `%s` is none', (name) => expect(parseLeaseKey(name)).toBeNull());

  test.each([
    ['{', 'not-json'],
    ['"x"', 'not-json'],
    ['{"BackendType":"vxlan"}', 'no-public-ip'],
    ['{"PublicIP":"fd00::1"}', 'no-public-ip'],
    ['{"PublicIP":"10.0.0.1","BackendType":3}', 'no-public-ip'],
  ])('value %s has the problem %s', (text, problem) => {
    expect(parseLeaseValue(text)).toEqual({ ok: false, problem });
  });
});

describe('subnet.env', () => {
  const STOCK =
    'FLANNEL_NETWORK=10.50.0.0/16\nFLANNEL_SUBNET=10.50.52.1/24\nFLANNEL_MTU=1450\nFLANNEL_IPMASQ=true\n';
  const DUAL =
    'FLANNEL_NETWORK=10.50.0.0/16\nFLANNEL_SUBNET=10.50.52.1/24\n' +
    'FLANNEL_IPV6_NETWORK=fd50::/48\nFLANNEL_IPV6_SUBNET=fd50:0:0:62::1/64\nFLANNEL_MTU=1430\nFLANNEL_IPMASQ=false\n';

  test.each([STOCK, DUAL])('is parsed and printed byte for byte: %j', (text) => {
    const env = parseSubnetEnv(text);
    expect(env && printSubnetEnv(env)).toBe(text);
  });

  test('may have been edited', () => {
    const edited = `# ours\r\n\nexport FLANNEL_NETWORK="10.50.0.0/16"\n FLANNEL_SUBNET = '10.50.52.1/24' # x\n${STOCK.slice(58)}`;
    expect(parseSubnetEnv(edited)).toEqual(parseSubnetEnv(STOCK));
  });

  test('cut anywhere before its last line gives no subnet', () => {
    for (let length = 0; length < STOCK.indexOf('FLANNEL_IPMASQ='); length++)
      expect(parseSubnetEnv(STOCK.slice(0, length)), `${length} bytes`).toBeNull();
  });
});
