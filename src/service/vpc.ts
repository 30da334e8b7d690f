import {
  awsVpc,
  hostGw,
  isKernelChange,
  vxlanBackend,
  VXLAN_DEFAULTS,
  type HostView,
  type NetworkHost,
} from '../network/index.js';
import { bug, userError, type BarewireError, type KernelObject } from '../schema/index.js';
import { openVpcBackend } from './aws/open-backend.js';
import type { VpcBackend } from './aws/backend.js';
import { readVpcConfig, type VpcConfig } from './aws/config.js';
import { planVpcPeers } from './aws/peers.js';
import { prefixPlacement } from './aws/prefixes.js';
import { readPlacement, type VpcNode, type VpcPlacement } from './aws/placement.js';
import type { Lease } from './flannel/lease.js';
import type { NetworkConfig } from './flannel/network-config.js';

/** `Backend.Type` of nodes whose subnets the VPC routes. */
export const AWS_VPC = 'aws-vpc';

/** The node's place in its VPC. */
export interface VpcView {
  readonly placement: VpcPlacement | null;
  /** Subnets that its own route table leads to. */
  readonly listed: ReadonlySet<string>;
  /** The VPC's router on the node's segment. */
  readonly router: string;
  readonly encapsulates: boolean;
}

/** Backend of the config, as flannel writes it. */
const rawBackend = ({ backend }: NetworkConfig): Record<string, unknown> => ({
  ...backend.rest,
  ...(backend.routeTableIds.length > 0 && { RouteTableID: backend.routeTableIds }),
});

export const vpcConfigOf = (config: NetworkConfig): VpcConfig => readVpcConfig(rawBackend(config));

/**
 * Opens EC2 for a node.
 *
 * @throws BarewireError `bad-input` for a network that its VPC does not allow, `host-unreachable` without the metadata service
 */
export async function openVpc(
  config: NetworkConfig,
  address: string,
  signal?: AbortSignal,
): Promise<VpcBackend> {
  const backend = await openVpcBackend({
    address,
    network: config.ipv4.network,
    subnetLength: config.ipv4.subnetLength,
    config: vpcConfigOf(config),
    env: process.env,
    ...(signal !== undefined && { signal }),
  });
  if (backend.leaseRange === null || config.ipv6 === null) return backend;
  backend[Symbol.dispose]();
  throw userError(
    `The cluster's network ${config.ipv4.network} is inside the VPC, whose prefixes a node takes for IPv4 only, and EnableIPv6 is true.`,
    'Set EnableIPv6 to false, or choose a Network outside of the VPC.',
  );
}

/** A node as the VPC's part sees it. */
export const vpcNodeOf = (lease: Lease): VpcNode => ({
  subnet: lease.subnet,
  publicIp: lease.attributes.publicIp,
  vtepMac: macOf(lease),
  placement: readPlacement(lease.attributes.backendData),
});

function macOf({ attributes }: Lease): string | null {
  const data = attributes.backendData as Readonly<Record<string, unknown>> | undefined;
  const mac = data?.['VtepMAC'];
  return typeof mac === 'string' ? mac.toLowerCase() : null;
}

export type VpcObjects =
  | { readonly ok: true; readonly objects: readonly KernelObject[] }
  | { readonly ok: false; readonly reason: 'no-vxlan-here' | 'no-vxlan-there' };

/** What the kernel needs to reach a peer by the path that the VPC allows. */
export function vpcPeerObjects(site: HostView, self: VpcNode, vpc: VpcView, lease: Lease): VpcObjects {
  const peer = vpcNodeOf(lease);
  const path = planVpcPeers({ self, peers: [peer], listed: vpc.listed }).get(peer.subnet);
  const host: NetworkHost = {
    ...site.host,
    name: peer.publicIp,
    address: peer.publicIp,
    subnet: peer.subnet,
    ...(peer.vtepMac !== null && { tunnelMac: peer.vtepMac }),
  };
  switch (path?.method) {
    case 'host-gw':
      return { ok: true, objects: objectsOf(hostGw.peer(site, host)) };
    case 'vpc-route':
    case 'vpc-prefix': {
      const { dev } = site.host;
      const placed = { ...site, host: { ...site.host, vpc: { dev, router: vpc.router } } };
      return { ok: true, objects: objectsOf(awsVpc.peer(placed, host)) };
    }
    case 'vxlan':
      return { ok: true, objects: objectsOf(vxlanBackend(VXLAN_DEFAULTS).peer(site, host)) };
    case 'unreachable':
      return { ok: false, reason: path.reason };
    case undefined:
      throw bug(`no path was planned to ${peer.subnet}`);
  }
}

const objectsOf = (changes: ReturnType<typeof hostGw.peer>): KernelObject[] =>
  changes.filter(isKernelChange).map(({ object }) => object);

/** What a check of the VPC leads to. */
export interface VpcOutcome {
  readonly view: VpcView;
  /** The own lease must publish it. */
  readonly hasMoved: boolean;
  readonly isUnfinished: boolean;
  readonly problems: readonly BarewireError[];
}

/** Between checks that no lease asks for. */
const CHECK_MS = 10 * 60_000;

/** Keeps the node's route in the VPC: at its start, when leases require a change, and at intervals. */
export class VpcFollower implements Disposable {
  readonly #backend: VpcBackend;
  readonly #encapsulates: boolean;
  #lastMs = -Infinity;
  #isUnfinished = false;

  constructor(backend: VpcBackend, config: VpcConfig) {
    this.#backend = backend;
    // The VPC reaches each delegated prefix by itself.
    this.#encapsulates = config.encapsulate === 'auto' && backend.leaseRange === null;
  }

  /** The subnet that the node has to lease, with prefix delegation; else null. */
  async delegate({ ipv4 }: NetworkConfig, previous: string | null): Promise<string | null> {
    return await this.#backend.delegate({ min: ipv4.subnetMin, max: ipv4.subnetMax }, previous);
  }

  /** Before the first check, which is after the lease. */
  get initial(): VpcView {
    const { identity, leaseRange } = this.#backend;
    return {
      placement: leaseRange === null ? null : prefixPlacement(identity),
      listed: new Set(),
      router: identity.router,
      encapsulates: this.#encapsulates,
    };
  }

  /** Null when there is nothing to do. Calls must not overlap. */
  async check(self: VpcNode, before: VpcView, peers: readonly Lease[]): Promise<VpcOutcome | null> {
    const nodes = peers.map(vpcNodeOf);
    const isDue = performance.now() - this.#lastMs > CHECK_MS;
    if (!isDue && !this.#isUnfinished && !this.#backend.isOutOfDate(self, nodes)) return null;
    this.#lastMs = performance.now();
    const { placement, listed, isUnfinished, problems } = await this.#backend.reconcile(self, nodes);
    this.#isUnfinished = isUnfinished;
    const view = { ...before, placement, listed };
    const hasMoved = JSON.stringify(placement) !== JSON.stringify(before.placement);
    return { view, hasMoved, isUnfinished, problems };
  }

  [Symbol.dispose](): void {
    this.#backend[Symbol.dispose]();
  }
}
