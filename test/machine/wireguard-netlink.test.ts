import fc from 'fast-check';
import { inspect } from 'node:util';
import { describe, expect, test } from 'vitest';
import { addressText } from '../../src/linux/ip-bytes.js';
import { changePeer, keyBytes, parseDevice, setDevice } from '../../src/linux/wireguard.js';
import { Secret, type WireguardPeerObject } from '../../src/schema/index.js';

const bytes = (length: number) => fc.uint8Array({ minLength: length, maxLength: length });
const key = bytes(32).map((value) => Buffer.from(value).toString('base64'));
const notZero = key.filter((value) => Buffer.from(value, 'base64').some((byte) => byte !== 0));
const address = fc.oneof(bytes(4), bytes(16)).map(addressText);
const cidr = address.chain((text) =>
  fc.integer({ min: 0, max: text.includes(':') ? 128 : 32 }).map((length) => `${text}/${length}`),
);
const peer: fc.Arbitrary<WireguardPeerObject> = fc
  .record({
    kind: fc.constant('wireguard-peer' as const),
    link: fc.constant('flannel-wg'),
    publicKey: key,
    endpoint: fc.record({ address, port: fc.integer({ min: 0, max: 65_535 }) }),
    allowed: fc.array(cidr, { maxLength: 300 }),
    keepaliveS: fc.option(fc.integer({ min: 1, max: 65_535 }), { nil: undefined }),
    presharedKey: fc.option(
      notZero.map((value) => new Secret(value)),
      { nil: undefined },
    ),
  })
  .map(({ keepaliveS, presharedKey, ...rest }) => ({
    ...rest,
    ...(keepaliveS !== undefined && { keepaliveS }),
    ...(presharedKey !== undefined && { presharedKey }),
  }));

const FAMILY = 31;
const INDEX = 7;
/** linux/wireguard.h */
const PEERS = 8;
const ALLOWED = 9;
const NESTED = 0x8000;

/** Attributes as the kernel checks them: each within its parent, aligned, and nothing after the last. */
function walk(body: Buffer): { readonly type: number; readonly value: Buffer }[] {
  const found: { type: number; value: Buffer }[] = [];
  let at = 0;
  while (at < body.length) {
    const length = body.readUInt16LE(at);
    expect(length).toBeGreaterThanOrEqual(4);
    expect(at + length).toBeLessThanOrEqual(body.length);
    found.push({ type: body.readUInt16LE(at + 2), value: body.subarray(at + 4, at + length) });
    at += (length + 3) & ~3;
  }
  expect(at).toBe(body.length);
  return found;
}

/** Secrets compare by what they reveal. */
const revealed = ({ presharedKey, ...rest }: WireguardPeerObject): unknown => ({
  ...rest,
  psk: presharedKey?.reveal(),
});

describe('a peer of WireGuard in netlink', () => {
  test('is nested as the kernel requires, whatever it has', () => {
    fc.assert(
      fc.property(peer, (object) => {
        const message = changePeer(FAMILY, 'add', INDEX, object);
        expect(message.type).toBe(FAMILY);
        // struct genlmsghdr: WG_CMD_SET_DEVICE, version 1.
        expect([...message.body.subarray(0, 4)]).toEqual([1, 1, 0, 0]);
        const device = walk(message.body.subarray(4));
        expect(device.map(({ type }) => type)).toEqual([1, PEERS | NESTED]);
        expect(device[0]?.value.readUInt32LE(0)).toBe(INDEX);
        const [one, ...others] = walk(device[1]?.value ?? Buffer.alloc(0));
        expect([one?.type, others]).toEqual([NESTED, []]);
        const allowed = walk(one?.value ?? Buffer.alloc(0)).find(({ type }) => type === (ALLOWED | NESTED));
        const entries = walk(allowed?.value ?? Buffer.alloc(0)).map(({ type, value }) => ({
          type,
          parts: walk(value).map((part) => [part.type, part.value.length]),
        }));
        expect(entries).toEqual(
          object.allowed.map((text) => ({
            type: NESTED,
            parts: [
              [1, 2],
              [2, text.includes(':') ? 16 : 4],
              [3, 1],
            ],
          })),
        );
      }),
      { numRuns: 100 },
    );
  });

  test('is read as it was written, also when the kernel splits its addresses over two messages', () => {
    fc.assert(
      fc.property(peer, fc.nat(), (object, place) => {
        const cut = object.allowed.length === 0 ? 0 : place % object.allowed.length;
        const rest = { ...object, allowed: object.allowed.slice(cut) };
        const bodies = [{ ...object, allowed: object.allowed.slice(0, cut) }, rest].map(
          (part) => changePeer(FAMILY, 'add', INDEX, part).body,
        );
        const [read, ...others] = parseDevice('flannel-wg', bodies, 1_000).peers;
        expect(others).toEqual([]);
        expect(read && revealed(read)).toEqual({ ...(revealed(object) as object), hasSession: false });
      }),
      { numRuns: 100 },
    );
  });

  test('is removed by its key alone', () => {
    fc.assert(
      fc.property(peer, (object) => {
        const [, peers] = walk(changePeer(FAMILY, 'remove', INDEX, object).body.subarray(4));
        const [one] = walk(peers?.value ?? Buffer.alloc(0));
        const parts = walk(one?.value ?? Buffer.alloc(0));
        expect(parts.map(({ type, value }) => [type, value.toString('base64')])).toEqual([
          [1, object.publicKey],
          // WGPEER_F_REMOVE_ME
          [3, Buffer.of(1, 0, 0, 0).toString('base64')],
        ]);
      }),
    );
  });
});

test('the port of a link and its key are read back', () => {
  fc.assert(
    fc.property(bytes(32), fc.integer({ min: 0, max: 65_535 }), (privateKey, port) => {
      const read = parseDevice('flannel-wg', [setDevice(FAMILY, INDEX, port, privateKey).body], 0);
      // The private key is not kept.
      expect(read).toEqual({ kind: 'wireguard', link: 'flannel-wg', port, peers: [] });
    }),
  );
});

test('a key is 32 bytes in base64 and nothing else', () => {
  fc.assert(fc.property(bytes(32), (value) => keyBytes(Buffer.from(value).toString('base64')) !== null));
  for (const text of ['', 'x', `${'A'.repeat(43)}=\n`, 'A'.repeat(44), `${'A'.repeat(42)}==`])
    expect(keyBytes(text), text).toBeNull();
});

test('a secret is not printed', () => {
  const secret = new Secret('hidden');
  for (const text of [JSON.stringify({ secret }), String(secret), inspect(secret, { showHidden: true })])
    expect(text).not.toContain('hidden');
  expect(secret.reveal()).toBe('hidden');
});
