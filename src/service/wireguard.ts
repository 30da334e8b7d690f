import * as z from 'zod';
import { keyBytes } from '../linux/index.js';
import type { KernelObject, WireguardPeerObject } from '../schema/index.js';
import type { LeaseAttributes } from './flannel/lease.js';
import type { WireguardConfig } from './flannel/wireguard-config.js';

/** The node's key with the backend wireguard. The private one is in its file only. */
export interface NodeKey {
  readonly file: string;
  readonly publicKey: string;
  /** Whether this node has made it, so that it is removed with the node. */
  readonly isOwn: boolean;
}

/** As flanneld publishes it. With one device, flanneld names for IPv6 a port on which nothing listens. */
export const printKey = (
  { options: { ports, oneDevice } }: WireguardConfig,
  { publicKey }: NodeKey,
  version: 4 | 6,
): Record<string, unknown> => ({ PublicKey: publicKey, Port: ports[oneDevice ? 4 : version] });

const dataSchema = z.object({
  PublicKey: z.string().refine((key) => keyBytes(key) !== null),
  /** Absent or 0 in leases of old versions of flannel. */
  Port: z.number().int().min(0).max(0xffff).optional(),
});

/** The other end of the tunnel to a peer, for containers of one version of IP; null when its lease has no key. */
export function tunnelEnd(
  { mode, options: { ports, oneDevice } }: WireguardConfig,
  ownIpv6: string | null,
  attributes: LeaseAttributes,
  version: 4 | 6,
): Pick<WireguardPeerObject, 'publicKey' | 'endpoint'> | null {
  const own = dataSchema.safeParse(version === 4 ? attributes.backendData : attributes.backendV6Data);
  if (!own.success) return null;
  const { publicIp, publicIpv6 } = attributes;
  // The one device receives both versions by the port of IPv4.
  const device = oneDevice ? dataSchema.safeParse(attributes.backendData).data : own.data;
  const port = device?.Port ?? 0;
  const outer = oneDevice ? outerVersion(mode, ownIpv6, attributes) : version;
  return {
    publicKey: own.data.PublicKey,
    endpoint: {
      address: outer === 6 && publicIpv6 !== null ? publicIpv6 : publicIp,
      port: port === 0 ? ports[oneDevice ? 4 : version] : port,
    },
  };
}

/** As flanneld chooses: addresses of the internet first, then IPv4. */
function outerVersion(
  mode: WireguardConfig['mode'],
  ownIpv6: string | null,
  { publicIp, publicIpv6 }: LeaseAttributes,
): 4 | 6 {
  if (mode === 'ipv6') return 6;
  if (mode === 'ipv4' || publicIpv6 === null || ownIpv6 === null || !isPrivate(publicIp)) return 4;
  return isPrivate(publicIpv6) || isPrivate(ownIpv6) ? 4 : 6;
}

/** RFC 1918 and RFC 4193. */
const isPrivate = (address: string): boolean =>
  /^(?:10\.|192\.168\.|172\.(?:1[6-9]|2\d|3[01])\.|f[cd][\da-f]{2}:)/i.test(address);

/** Peers with one key are one peer, with the addresses of all: of both versions of IP, or of two leases of a node that has moved. */
export function mergePeers(objects: readonly KernelObject[]): KernelObject[] {
  const merged = new Map<string, WireguardPeerObject>();
  const others: KernelObject[] = [];
  for (const object of objects) {
    if (object.kind !== 'wireguard-peer') {
      others.push(object);
      continue;
    }
    const place = `${object.link} ${object.publicKey}`;
    const known = merged.get(place);
    merged.set(
      place,
      known === undefined
        ? object
        : { ...object, allowed: [...new Set([...known.allowed, ...object.allowed])] },
    );
  }
  return [...merged.values(), ...others];
}
