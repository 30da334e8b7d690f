import * as z from 'zod';
import {
  hostGw,
  ipip,
  isKernelChange,
  isOnSegment,
  vxlanBackend,
  vxlanDevice,
  VXLAN_DEFAULTS,
  type Backend,
  type HostView,
  type NetworkHost,
} from '../network/index.js';
import { userError, type KernelObject } from '../schema/index.js';
import { reversePathSettings } from './aws/peers.js';
import { printPlacement, type VpcNode } from './aws/placement.js';
import { hostLinkObjects, type AttachmentName } from './attachments.js';
import type { Lease, LeaseAttributes } from './flannel/lease.js';
import type { BackendConfig, NetworkConfig } from './flannel/network-config.js';
import { AWS_VPC, vpcNodeOf, vpcPeerObjects, type VpcView } from './vpc.js';

/** An address of the node's interface to its peers. */
export interface OwnAddress {
  readonly address: string;
  readonly prefix: number;
}

/** The node's interface to its peers. */
export interface ExternalInterface {
  readonly dev: string;
  readonly mtu: number;
  readonly mac: string;
  readonly ipv4: OwnAddress;
  /** Null where the network has no IPv6. */
  readonly ipv6: OwnAddress | null;
}

/** What determines the node's kernel state, beside its peers. */
export interface NodeView {
  readonly config: NetworkConfig;
  readonly external: ExternalInterface;
  readonly subnet: string;
  readonly ipv6Subnet: string | null;
  /** Of its tunnel devices. */
  readonly tunnelMacs: TunnelMacs;
  readonly attachment: AttachmentName;
  /** With the backend aws-vpc: the node's place in its VPC. */
  readonly vpc: VpcView | null;
}

export interface TunnelMacs {
  readonly ipv4: string;
  readonly ipv6: string;
}

/** Why a node does not use a peer's lease. */
export type PeerProblem =
  | { readonly kind: 'other-backend'; readonly backendType: string }
  /** host-gw needs peers on the node's own segment. */
  | { readonly kind: 'not-on-segment'; readonly publicIp: string }
  | { readonly kind: 'no-tunnel-mac' }
  /** Its subnet has no route in the VPC, and one of both nodes does not use VXLAN. */
  | { readonly kind: 'no-path'; readonly reason: 'no-vxlan-here' | 'no-vxlan-there' };

export type PeerObjects =
  | { readonly ok: true; readonly objects: readonly KernelObject[] }
  | { readonly ok: false; readonly problem: PeerProblem };

const BACKENDS: Readonly<Record<string, (config: BackendConfig) => Backend>> = {
  'host-gw': () => hostGw,
  ipip: () => ipip,
  vxlan: ({ vni, port, directRouting }) =>
    vxlanBackend({ vni: vni ?? VXLAN_DEFAULTS.vni, port: port ?? VXLAN_DEFAULTS.port, directRouting }),
  // Peers without a route in the VPC are reached by VXLAN.
  [AWS_VPC]: () => vxlanBackend(VXLAN_DEFAULTS),
};

/** What `Backend.Type` of flannel's config may be. */
export const BACKEND_TYPES: readonly string[] = Object.keys(BACKENDS);

/** @throws BarewireError `bad-input` for a backend that Barewire lacks */
export function backendOf(config: BackendConfig): Backend {
  const make = BACKENDS[config.type];
  if (make !== undefined) return make(config);
  throw userError(
    `Backend.Type of the flannel config is ${JSON.stringify(config.type)}, which Barewire does not run.`,
    `Use ${BACKEND_TYPES.join(', ')}.`,
  );
}

/** flannel publishes the VTEP's MAC in BackendData. */
const tunnelDataSchema = z.object({ VtepMAC: z.string().regex(/^[0-9a-f]{2}(:[0-9a-f]{2}){5}$/i) });

/** The name under which a node marks itself inside BackendData, where other nodes ignore it. */
const MARK = 'Barewire';

/** What the node publishes of its backend. */
export function attributesOf(view: NodeView): LeaseAttributes {
  const { config, external, tunnelMacs, attachment } = view;
  const { type } = config.backend;
  const mark = { [MARK]: { attachment } };
  const isTunnelled = type === 'vxlan' || view.vpc?.encapsulates === true;
  const placement = view.vpc?.placement ?? null;
  const data = (mac: string): Record<string, unknown> => ({
    ...(isTunnelled && { VNI: config.backend.vni ?? VXLAN_DEFAULTS.vni, VtepMAC: mac }),
    ...(placement !== null && { Aws: printPlacement(placement) }),
    ...mark,
  });
  return {
    publicIp: external.ipv4.address,
    publicIpv6: external.ipv6?.address ?? null,
    backendType: type,
    backendData: data(tunnelMacs.ipv4),
    ...(config.ipv6 !== null && { backendV6Data: data(tunnelMacs.ipv6) }),
  };
}

/** The node once for each version of IP that its network has. */
export function sitesOf(view: NodeView): readonly HostView[] {
  const { external, subnet, ipv6Subnet, tunnelMacs } = view;
  const site = ({ address, prefix }: OwnAddress, own: string, tunnelMac: string): HostView => ({
    run: '',
    station: '',
    peers: [],
    host: {
      name: 'this node',
      index: 0,
      dev: external.dev,
      mac: external.mac,
      mtu: external.mtu,
      address,
      prefix,
      subnet: own,
      tunnelMac,
    },
  });
  return [
    site(external.ipv4, subnet, tunnelMacs.ipv4),
    ...(external.ipv6 === null || ipv6Subnet === null
      ? []
      : [site(external.ipv6, ipv6Subnet, tunnelMacs.ipv6)]),
  ];
}

/** What the node needs whatever its peers are: its tunnel devices, their addresses, and forwarding. */
export function ownObjects(view: NodeView): readonly KernelObject[] {
  const backend = backendOf(view.config.backend);
  const isTunnelled = view.vpc?.encapsulates !== false;
  return sitesOf(view).flatMap((site) => [
    { kind: 'setting' as const, key: forwardingKey(site), value: '1' },
    ...(isTunnelled ? objectsOf(backend.own(site)) : []),
    ...(view.vpc === null ? [] : reversePathObjects(site, isTunnelled)),
    ...hostLinkObjects(view.attachment, site),
  ]);
}

/** The two directions of a pair may use different links. */
const reversePathObjects = ({ host }: HostView, isTunnelled: boolean): KernelObject[] =>
  reversePathSettings([host.dev, ...(isTunnelled ? [tunnelDevice(4, null)] : [])]).map(([key, value]) => ({
    kind: 'setting',
    key,
    value,
  }));

const forwardingKey = ({ host }: HostView): string =>
  host.address.includes(':') ? 'net.ipv6.conf.all.forwarding' : 'net.ipv4.ip_forward';

/** What the node needs for a peer. */
export function peerObjects(view: NodeView, lease: Lease): PeerObjects {
  const { attributes } = lease;
  const { type } = view.config.backend;
  if (attributes.backendType !== type)
    return { ok: false, problem: { kind: 'other-backend', backendType: attributes.backendType } };
  if (view.vpc !== null) return vpcObjects(view, view.vpc, lease);
  const backend = backendOf(view.config.backend);
  const objects: KernelObject[] = [];
  for (const site of sitesOf(view)) {
    const peer = peerOf(site, lease, type === 'vxlan');
    if (peer === null) continue;
    if (peer === 'no-tunnel-mac') return { ok: false, problem: { kind: peer } };
    if (backend.oneSegment && !isOnSegment(site.host, peer))
      return { ok: false, problem: { kind: 'not-on-segment', publicIp: peer.address } };
    objects.push(...objectsOf(backend.peer(site, peer)));
  }
  return { ok: true, objects };
}

function vpcObjects(view: NodeView, vpc: VpcView, lease: Lease): PeerObjects {
  const [site] = sitesOf(view);
  if (site === undefined) return { ok: true, objects: [] };
  const found = vpcPeerObjects(site, selfOf(view), vpc, lease);
  return found.ok ? found : { ok: false, problem: { kind: 'no-path', reason: found.reason } };
}

/** This node as its lease shows it. */
export const selfOf = (view: NodeView): VpcNode =>
  vpcNodeOf({ subnet: view.subnet, ipv6Subnet: view.ipv6Subnet, attributes: attributesOf(view) });

/** A peer's lease as a host of one version of IP; null where the peer lacks that version. */
function peerOf({ host }: HostView, lease: Lease, tunnelled: boolean): NetworkHost | 'no-tunnel-mac' | null {
  const { attributes } = lease;
  const isV6 = host.address.includes(':');
  const address = isV6 ? attributes.publicIpv6 : attributes.publicIp;
  const subnet = isV6 ? lease.ipv6Subnet : lease.subnet;
  if (address === null || subnet === null) return null;
  const data = tunnelDataSchema.safeParse(isV6 ? attributes.backendV6Data : attributes.backendData);
  if (tunnelled && !data.success) return 'no-tunnel-mac';
  return {
    ...host,
    name: address,
    address,
    subnet,
    ...(data.success && { tunnelMac: data.data.VtepMAC.toLowerCase() }),
  };
}

const objectsOf = (changes: ReturnType<Backend['own']>): KernelObject[] =>
  changes.filter(isKernelChange).map(({ object }) => object);

/** The MTU of containers. */
export function containerMtuOf(view: NodeView): number {
  if (view.vpc?.encapsulates === false) return view.external.mtu;
  const { overheadBytes } = backendOf(view.config.backend);
  return view.external.mtu - (view.external.ipv6 === null ? overheadBytes[4] : overheadBytes[6]);
}

/** The name of the vxlan device of a version of IP. */
export const tunnelDevice = (version: 4 | 6, vni: number | null): string =>
  vxlanDevice({ address: version === 6 ? '::' : '0.0.0.0' }, vni ?? VXLAN_DEFAULTS.vni);
