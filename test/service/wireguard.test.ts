import { mkdtempSync, readFileSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { execFileSync } from 'node:child_process';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { describe, expect, test } from 'vitest';
import type { KernelState, KernelWireguardPeer } from '../../src/linux/index.js';
import { Secret, type KernelObject, type WireguardPeerObject } from '../../src/schema/index.js';
import { attributesOf, ownObjects, type NodeView } from '../../src/service/desired.js';
import { findDifference } from '../../src/service/difference.js';
import type { Lease, LeaseAttributes } from '../../src/service/flannel/lease.js';
import { parseNetworkConfig } from '../../src/service/flannel/network-config.js';
import { openNodeKey } from '../../src/service/node-key.js';
import type { NodeOptions } from '../../src/service/node-types.js';
import { Peers } from '../../src/service/peers.js';
import { tunnelEnd } from '../../src/service/wireguard.js';

const key = (letter: string): string => Buffer.alloc(32, letter).toString('base64');
const PSK = key('p');
const parse = (backend: object) =>
  parseNetworkConfig(
    JSON.stringify({
      ...{ Network: '10.50.0.0/16', EnableIPv6: true, IPv6Network: 'fd50::/48' },
      Backend: { Type: 'wireguard', ...backend },
    }),
  );
const view = (backend: object = {}): NodeView => ({
  config: parse(backend),
  external: {
    ...{ dev: 'eth0', mtu: 1500, mac: '02:00:00:00:00:01' },
    ipv4: { address: '10.99.0.1', prefix: 24 },
    ipv6: { address: 'fd99::1', prefix: 64 },
    publicIp: '10.99.0.1',
    publicIpv6: 'fd99::1',
  },
  subnet: '10.50.1.0/24',
  ipv6Subnet: 'fd50:0:0:1::/64',
  tunnelMacs: { ipv4: '', ipv6: '' },
  attachment: 'bridge',
  key: { file: '/key', publicKey: key('o'), isOwn: true },
  vpc: null,
});
const lease = (number: number, letter: string, node = number): Lease => ({
  subnet: `10.50.${number}.0/24`,
  ipv6Subnet: `fd50:0:0:${number}::/64`,
  attributes: {
    publicIp: `10.99.0.${node}`,
    publicIpv6: `fd99::${node}`,
    backendType: 'wireguard',
    backendData: { PublicKey: key(letter), Port: 51820 },
    backendV6Data: { PublicKey: key(letter), Port: 51821 },
  },
});

describe('the config of wireguard', () => {
  test('has the defaults of flanneld', () => {
    expect(parse({}).backend.wireguard).toEqual({
      mode: 'separate',
      options: {
        ports: { 4: 51820, 6: 51821 },
        oneDevice: false,
        keepaliveS: null,
        presharedKey: null,
      },
    });
  });

  test('is read without case, and its preshared key is not printed', () => {
    const config = parse({ mode: 'auto', listenport: 4500, psk: PSK, PersistentKeepaliveInterval: 25 });
    expect(config.backend.wireguard?.options).toMatchObject({
      ...{ ports: { 4: 4500, 6: 51821 }, oneDevice: true, keepaliveS: 25 },
    });
    expect(config.backend.wireguard?.options.presharedKey?.reveal()).toBe(PSK);
    expect(JSON.stringify(config)).not.toContain(PSK);
  });

  test.each([
    [{ PSK: 'short-secret' }, /Backend\.PSK .* must be 32 bytes in base64/],
    [{ Mode: 'both' }, /Backend\.Mode .* must be separate, auto, ipv4, ipv6, got `"both"`/],
    [{ ListenPort: 0 }, /Backend\.ListenPort .* must be an integer from 1 to 65535, got `0`/],
    [{ PersistentKeepaliveInterval: '25s' }, /must be an integer from 0 to 65535, got `"25s"`/],
  ])('%j is refused with its key', (backend, message) => {
    expect(() => parse(backend)).toThrow(message);
  });

  test('no error shows a preshared key', () => {
    for (const text of [
      `{"Network":"10.50.0.0/16","Backend":{"Type":"wireguard","PSK":"${PSK}"`,
      `{"Network":"10.50.0.0/16","Backend":{"Type":"wireguard","PSK":"${PSK}x"}}`,
    ])
      try {
        parseNetworkConfig(text);
        expect.unreachable();
      } catch (error) {
        for (let each = error; each instanceof Error; each = each.cause)
          expect(each.message).not.toContain(PSK);
      }
  });
});

describe('the other end of a tunnel', () => {
  const end = (
    mode: string,
    attributes: Partial<LeaseAttributes>,
    version: 4 | 6,
    ownIpv6 = '2001:db8::1',
  ) => {
    const { wireguard } = parse({ Mode: mode }).backend;
    const all = { ...lease(2, 'b').attributes, ...attributes };
    return wireguard && tunnelEnd(wireguard, ownIpv6, all, version)?.endpoint;
  };
  test.each([
    ['separate', {}, 4, '10.99.0.2', 51820],
    ['separate', {}, 6, 'fd99::2', 51821],
    // flanneld names a port of IPv6 on which its one device does not listen.
    ['ipv6', {}, 4, 'fd99::2', 51820],
    ['ipv6', {}, 6, 'fd99::2', 51820],
    ['ipv4', {}, 6, '10.99.0.2', 51820],
    ['auto', {}, 6, '10.99.0.2', 51820],
    ['auto', { publicIpv6: '2001:db8::2' }, 4, '2001:db8::2', 51820],
    ['auto', { publicIp: '192.0.2.2', publicIpv6: '2001:db8::2' }, 6, '192.0.2.2', 51820],
    // Of old versions of flannel.
    ['separate', { backendData: { PublicKey: key('b') } }, 4, '10.99.0.2', 51820],
  ] as const)('in mode %s with %j, IPv%i: %s port %i', (mode, attributes, version, address, port) => {
    expect(end(mode, attributes, version)).toEqual({ address, port });
  });

  test('is unknown without a valid key', () => {
    expect(end('separate', { backendData: { PublicKey: 'x' } }, 4)).toBeUndefined();
    const peers = new Peers(view());
    peers.update([{ ...lease(2, 'b'), attributes: { ...lease(2, 'b').attributes, backendData: {} } }]);
    expect(peers.unused()).toEqual([{ subnet: '10.50.2.0/24', problem: { kind: 'no-public-key' } }]);
  });
});

test('one device for both versions of IP is one link, with one peer for each node', () => {
  const objects = ownObjects(view({ Mode: 'auto' }));
  expect(objects.filter(({ kind }) => kind === 'link' || kind === 'wireguard')).toHaveLength(2);
  const peers = new Peers(view({ Mode: 'auto' }));
  peers.update([lease(2, 'b')]);
  expect(peers.objects()).toMatchObject([
    { link: 'flannel-wg', publicKey: key('b'), allowed: ['10.50.2.0/24', 'fd50:0:0:2::/64'] },
  ]);
  expect(attributesOf(view({ Mode: 'auto' })).backendV6Data).toMatchObject({ Port: 51820 });
});

test('a peer with two leases has the addresses of both, and is removed with the last', () => {
  const peers = new Peers(view({ Mode: 'ipv4' }));
  const [one, two] = [lease(2, 'b', 2), lease(3, 'b', 2)];
  peers.update([one]);
  const allowed = (edits: ReturnType<Peers['update']>) =>
    edits.map((edit) => [
      edit.verb,
      edit.verb !== 'change' && edit.object.kind === 'wireguard-peer' ? edit.object.allowed : null,
    ]);
  const both = ['10.50.2.0/24', 'fd50:0:0:2::/64', '10.50.3.0/24', 'fd50:0:0:3::/64'];
  expect(allowed(peers.change({ put: [two], removed: [] }))).toEqual([['add', both]]);
  expect(allowed(peers.update([two]))).toEqual([['add', both.slice(2)]]);
  expect(allowed(peers.update([]))).toEqual([['remove', both.slice(2)]]);
});

describe('the difference of peers', () => {
  const MARKS = { alias: 'mine', protocol: 66 };
  const wanted: WireguardPeerObject = {
    kind: 'wireguard-peer',
    link: 'flannel-wg',
    publicKey: key('b'),
    endpoint: { address: '10.99.0.2', port: 51820 },
    allowed: ['10.50.2.0/24'],
    keepaliveS: 25,
    presharedKey: new Secret(PSK),
  };
  const desired: KernelObject[] = [
    { kind: 'link', type: 'wireguard', name: 'flannel-wg', mtu: 1420 },
    { kind: 'wireguard', link: 'flannel-wg', port: 51820, keyFile: '/key', publicKey: key('o') },
    wanted,
    { kind: 'up', link: 'flannel-wg' },
  ];
  const link = {
    ...{ index: 2, name: 'flannel-wg', up: true, mtu: 1420, mac: null, master: null, dev: null },
    ...{ alias: 'mine', type: 'wireguard', vxlan: null, ipipLocal: null, ipvlanMode: null },
  };
  const edits = (
    peers: readonly Partial<KernelWireguardPeer>[],
    device: object = {},
    change: Partial<typeof link> = {},
  ) => {
    const state: KernelState = {
      links: new Map([['flannel-wg', { ...link, ...change }]]),
      ...{ addresses: [], routes: [], neighbours: [], forwarding: [] },
      wireguard: [
        {
          kind: 'wireguard',
          link: 'flannel-wg',
          port: 51820,
          publicKey: key('o'),
          ...device,
          peers: peers.map((each) => ({ ...wanted, hasSession: false, ...each })),
        },
      ],
    };
    return findDifference(desired, state, MARKS).edits.map((edit) =>
      edit.verb === 'change' ? ['change', edit.change] : [edit.verb, edit.object.kind],
    );
  };
  const elsewhere = { address: '192.0.2.9', port: 4 };

  test.each([
    ['none', {}, []],
    ['another address', { endpoint: elsewhere }, [['add', 'wireguard-peer']]],
    [
      'another address, from which it has authenticated itself',
      { endpoint: elsewhere, hasSession: true },
      [],
    ],
    ['no keepalive', { keepaliveS: 0 }, [['add', 'wireguard-peer']]],
    ['other addresses', { allowed: ['10.9.0.0/16'] }, [['add', 'wireguard-peer']]],
    ['another preshared key', { presharedKey: new Secret(key('x')) }, [['add', 'wireguard-peer']]],
    [
      'another key',
      { publicKey: key('x') },
      [
        ['remove', 'wireguard-peer'],
        ['add', 'wireguard-peer'],
      ],
    ],
  ])('%s', (_, peer, expected) => {
    expect(edits([peer])).toEqual(expected);
  });

  test('the link has another port or key, or is disabled', () => {
    expect(edits([{}], { port: 1 })).toEqual([['add', 'wireguard']]);
    expect(edits([{}], { publicKey: key('x') })).toEqual([['add', 'wireguard']]);
    expect(edits([{}], {}, { up: false })).toEqual([['change', { up: true }]]);
  });
});

test('the private key is made once, for root only, and wg has the same public key', async () => {
  const folder = mkdtempSync(join(tmpdir(), 'barewire-key-'));
  try {
    const options = { keyFile: join(folder, 'run/wgkey'), stateFolder: folder } as unknown as NodeOptions;
    const made = await openNodeKey(options);
    const text = readFileSync(made.file, 'utf8');
    expect(execFileSync('wg', ['pubkey'], { input: text, encoding: 'utf8' }).trim()).toBe(made.publicKey);
    expect((statSync(made.file).mode & 0o777).toString(8)).toBe('600');
    expect(made.isOwn).toBe(true);
    // The record does not name it: the user made it.
    expect(await openNodeKey(options)).toEqual({ ...made, isOwn: false });
    writeFileSync(made.file, 'nonsense');
    await expect(openNodeKey(options)).rejects.toThrow(/wgkey has no WireGuard key/);
  } finally {
    rmSync(folder, { recursive: true });
  }
});
