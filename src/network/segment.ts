import { type BarewireError, userError } from '../schema/index.js';
import { addressToNumber, numberToAddress } from './ip-number.js';
import { versionOf, type IpVersion } from './ip-version.js';
import type { NetworkHost, HostView } from './types.js';

/**
 * Addresses of containers on the hosts' segment: 31 per host, host 1 from .33, host 2 from .65, and so on to
 * host 6 of a /24.
 */
const SLOTS = 32n;

/** The address of container `number` beside its host. Throws `bad-input` when the segment is too small. */
export function besideHost({ host, peers }: HostView, number: number): string {
  const version = versionOf(host.address);
  const offset = BigInt(host.index) * SLOTS + BigInt(number);
  const address = numberToAddress(segmentStart(host) + offset, version);
  const taken = [host, ...peers].find((other) => addressToNumber(other.address) === addressToNumber(address));
  if (taken === undefined && offset < segmentSize(host) - 1n) return address;
  const why = taken === undefined ? `ends before ${address}` : `has ${taken.name} at ${address}`;
  throw refused(`No free address for a container of ${host.name}: its segment ${segmentOf(host)} ${why}.`);
}

/** Some networks reach their peers on layer 2 only. Throws `bad-input` when a router separates the hosts. */
export function requireOneSegment({ host, peers }: HostView, network: string): void {
  const far = peers.find((peer) => segmentStart(peer) !== segmentStart(host) || peer.prefix !== host.prefix);
  if (far === undefined) return;
  throw refused(
    `${network} needs hosts on one layer-2 segment: ${host.name} is in ${segmentOf(host)}, ${far.name} in ${segmentOf(far)}.`,
  );
}

/** Whether a host reaches a peer without a router. */
export const isOnSegment = (host: NetworkHost, peer: Pick<NetworkHost, 'address'>): boolean =>
  versionOf(peer.address) === versionOf(host.address) &&
  (addressToNumber(peer.address) / segmentSize(host)) * segmentSize(host) === segmentStart(host);

const refused = (message: string): BarewireError =>
  userError(
    message,
    'Omit this network, or use other hosts. flannel-vxlan works on any hosts that reach each other.',
  );

const BITS: Readonly<Record<IpVersion, number>> = { 4: 32, 6: 128 };

const segmentSize = ({ address, prefix }: NetworkHost): bigint =>
  1n << BigInt(BITS[versionOf(address)] - prefix);
const segmentStart = (host: NetworkHost): bigint =>
  (addressToNumber(host.address) / segmentSize(host)) * segmentSize(host);
/** `198.18.0.0/24` */
export const segmentOf = (host: NetworkHost): string =>
  `${numberToAddress(segmentStart(host), versionOf(host.address))}/${host.prefix}`;
