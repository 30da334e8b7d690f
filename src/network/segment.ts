import { BarewireError } from '../schema/index.js';
import type { NetHost, Site } from './types.js';

/** Containers of a host on its own segment: 31 addresses each, host 1 from .33, host 2 from .65, and so on to host 6 of a /24. */
const SLOTS = 32;

/** The address of container `number` beside its host. Throws `bad-input` where the segment has none for it. */
export function besideHost({ host, peers }: Site, number: number): string {
  const offset = host.index * SLOTS + number;
  const address = toAddress(firstOf(host) + offset);
  const taken = [host, ...peers].find((other) => other.address === address);
  if (taken === undefined && offset < sizeOf(host) - 1) return address;
  const why = taken === undefined ? `ends before ${address}` : `has ${taken.name} at ${address}`;
  throw refused(`A container of ${host.name} finds no address: its segment ${printSegment(host)} ${why}.`);
}

/** Some networks reach their peers on layer 2 only. Throws `bad-input` where a router stands between the hosts. */
export function requireOneSegment({ host, peers }: Site, network: string): void {
  const far = peers.find((peer) => firstOf(peer) !== firstOf(host) || peer.prefix !== host.prefix);
  if (far === undefined) return;
  throw refused(
    `${network} needs hosts on one layer-2 segment: ${host.name} is in ${printSegment(host)}, ${far.name} in ${printSegment(far)}.`,
  );
}

const refused = (message: string): BarewireError =>
  new BarewireError(message, {
    code: 'bad-input',
    fault: 'user',
    hint: 'Leave this network out (flannel-vxlan works on any hosts that reach each other), or use other hosts.',
  });

const sizeOf = ({ prefix }: NetHost): number => 2 ** (32 - prefix);
const firstOf = (host: NetHost): number => Math.floor(toNumber(host.address) / sizeOf(host)) * sizeOf(host);
const printSegment = (host: NetHost): string => `${toAddress(firstOf(host))}/${host.prefix}`;

const toNumber = (address: string): number =>
  address.split('.').reduce((sum, part) => sum * 256 + Number(part), 0);
const toAddress = (value: number): string =>
  [24, 16, 8, 0].map((shift) => Math.floor(value / 2 ** shift) % 256).join('.');
