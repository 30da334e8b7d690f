import type { Etcd } from './etcd-server.js';
import {
  SubnetLeases,
  type LeaseAttributes,
  type LeaseEvent,
  type LeaseSnapshot,
  type SubnetLeasesOptions,
} from '../../src/service/index.js';

export const NET = '/coreos.com/network';
/** The key of the lease of a subnet. */
export const keyOf = (subnet: string): string => `${NET}/subnets/${subnet.replace('/', '-')}`;
export const CONFIG = '{"Network":"10.50.0.0/16","Backend":{"Type":"host-gw"}}';
export const never = new AbortController().signal;

/** A network without leases. */
export async function resetNetwork(etcd: Etcd): Promise<void> {
  for (const key of (await etcd.read(`${NET}/`)).keys()) await etcd.delete(key);
  for (const id of await etcd.leases()) await etcd.call('/v3/lease/revoke', { ID: id });
  await etcd.put(`${NET}/config`, CONFIG);
}

/** Public address by the name of the key, without its prefix. */
export async function storedLeases(etcd: Etcd): Promise<Record<string, string>> {
  const found = await etcd.read(`${NET}/subnets/`);
  return Object.fromEntries(
    [...found].map(([key, { value }]) => [
      key.slice(`${NET}/subnets/`.length),
      (JSON.parse(value) as { PublicIP: string }).PublicIP,
    ]),
  );
}

export const hostGw = (publicIp: string, more: Partial<LeaseAttributes> = {}): LeaseAttributes => ({
  publicIp,
  publicIpv6: null,
  backendType: 'host-gw',
  ...more,
});

/** The leases of a node, with what it reported and the last snapshot it got. */
export class TestNode implements AsyncDisposable {
  readonly leases: SubnetLeases;
  readonly events: LeaseEvent[] = [];
  snapshot: LeaseSnapshot | null = null;

  constructor(options: SubnetLeasesOptions) {
    this.leases = new SubnetLeases({
      requestTimeoutMs: 1_000,
      idleMs: 1_000,
      ...options,
      onEvent: (event) => void this.events.push(event),
    });
    this.leases.watch((snapshot) => {
      this.snapshot = snapshot;
    });
  }

  /** The kinds of what it reported. */
  get kinds(): readonly string[] {
    return this.events.map(({ kind }) => kind);
  }

  /** Public address by subnet, of the last snapshot. */
  get peers(): Readonly<Record<string, string>> {
    return Object.fromEntries(
      (this.snapshot?.leases ?? []).map(({ attributes, subnet }) => [subnet, attributes.publicIp]),
    );
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.leases[Symbol.asyncDispose]();
  }
}
