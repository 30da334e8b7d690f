import * as z from 'zod';
import {
  isKernelChange,
  isOnSegment,
  versionOf,
  vxlanDevice,
  VXLAN_DEFAULTS,
  type Backend,
  type HostView,
  type NetworkChange,
  type NetworkHost,
} from '../network/index.js';
import type { KernelObject } from '../schema/index.js';
import { reversePathSettings } from './aws/peers.js';
import { printPlacement, type VpcNode } from './aws/placement.js';
import { hostLinkObjects, type AttachmentName } from './attachments.js';
import { backendOf } from './backends.js';
import type { Lease, LeaseAttributes } from './flannel/lease.js';
import type { NetworkConfig } from './flannel/network-config.js';
import { vpcNodeOf, vpcPeerObjects, type VpcView } from './vpc.js';
import { mergePeers, printKey, tunnelEnd, type NodeKey } from './wireguard.js';

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
  /** What peers connect to: another address than the interface's behind address translation. */
  readonly publicIp: string;
  readonly publicIpv6: string | null;
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
  /** Null without the backend wireguard. */
  readonly key: NodeKey | null;
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
  | { readonly kind: 'no-tunnel-mac' | 'no-public-key' }
  /** Its subnet has no route in the VPC, and one of both nodes does not use VXLAN. */
  | { readonly kind: 'no-path'; readonly reason: 'no-vxlan-here' | 'no-vxlan-there' };

export type PeerObjects =
  | { readonly ok: true; readonly objects: readonly KernelObject[] }
  | { readonly ok: false; readonly problem: PeerProblem };

/** flannel publishes the VTEP's MAC in BackendData. */
const tunnelDataSchema = z.object({ VtepMAC: z.string().regex(/^[0-9a-f]{2}(:[0-9a-f]{2}){5}$/i) });

/** The name under which a node marks itself inside BackendData, where other nodes ignore it. */
const MARK = 'Barewire';

/** What the node publishes of its backend. */
export function attributesOf(view: NodeView): LeaseAttributes {
  const { config, external, tunnelMacs, attachment, key } = view;
  const { type, wireguard } = config.backend;
  const mark = { [MARK]: { attachment } };
  const isTunnelled = type === 'vxlan' || view.vpc?.encapsulates === true;
  const placement = view.vpc?.placement ?? null;
  const data = (mac: string, version: 4 | 6): Record<string, unknown> => ({
    ...(wireguard !== null && key !== null && printKey(wireguard, key, version)),
    ...(isTunnelled && { VNI: config.backend.vni ?? VXLAN_DEFAULTS.vni, VtepMAC: mac }),
    ...(placement !== null && { Aws: printPlacement(placement) }),
    ...mark,
  });
  return {
    publicIp: external.publicIp,
    publicIpv6: external.publicIpv6,
    backendType: type,
    backendData: data(tunnelMacs.ipv4, 4),
    ...(config.ipv6 !== null && { backendV6Data: data(tunnelMacs.ipv6, 6) }),
  };
}

/** The node once for each version of IP that its network has. */
export function sitesOf(view: NodeView): readonly HostView[] {
  const sites = madeSites.get(view) ?? makeSites(view);
  madeSites.set(view, sites);
  return sites;
}

/** By view, so that they are computed once and not for each peer. */
const madeSites = new WeakMap<NodeView, readonly HostView[]>();

function makeSites(view: NodeView): readonly HostView[] {
  const { external, subnet, ipv6Subnet, tunnelMacs, config, key } = view;
  const site = (
    { address, prefix }: OwnAddress,
    own: string,
    tunnelMac: string,
    network: string | undefined,
  ): HostView => ({
    run: '',
    station: '',
    peers: [],
    host: {
      name: 'this node',
      index: 0,
      dev: external.dev,
      mac: external.mac,
      mtu: outerMtu(view),
      address,
      prefix,
      subnet: own,
      tunnelMac,
      ...(network !== undefined && { network }),
      ...(key !== null && { keyFile: key.file, publicKey: key.publicKey }),
    },
  });
  return [
    site(external.ipv4, subnet, tunnelMacs.ipv4, config.ipv4.network),
    ...(external.ipv6 === null || ipv6Subnet === null
      ? []
      : [site(external.ipv6, ipv6Subnet, tunnelMacs.ipv6, config.ipv6?.network)]),
  ];
}

/** What the node needs whatever its peers are: its tunnel devices, their addresses, and forwarding. */
export function ownObjects(view: NodeView): readonly KernelObject[] {
  const backend = backendOf(view.config.backend);
  const isTunnelled = view.vpc?.encapsulates !== false;
  const objects = sitesOf(view).flatMap((site): KernelObject[] => [
    { kind: 'setting', key: forwardingKey(site), value: '1' },
    ...(isTunnelled ? objectsOf(ownChanges(backend, site)) : []),
    ...(view.vpc === null ? [] : reversePathObjects(site, isTunnelled)),
    ...hostLinkObjects(view.attachment, site),
  ]);
  // Both versions of IP may have one device.
  return [...new Map(objects.map((object) => [JSON.stringify(object), object])).values()];
}

const ownChanges = (backend: Backend, site: HostView): readonly NetworkChange[] => [
  ...(backend.exchangeKeys?.(site).changes ?? []),
  ...backend.own(site),
  ...(backend.afterPeers?.(site) ?? []),
];

/** The two directions of a pair may use different links. */
const reversePathObjects = ({ host }: HostView, isTunnelled: boolean): KernelObject[] =>
  reversePathSettings([host.dev, ...(isTunnelled ? [tunnelDevice(4, null)] : [])]).map(([key, value]) => ({
    kind: 'setting',
    key,
    value,
  }));

const forwardingKey = ({ host }: HostView): string =>
  versionOf(host.address) === 6 ? 'net.ipv6.conf.all.forwarding' : 'net.ipv4.ip_forward';

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
    const peer = peerOf(view, site, lease);
    if (peer === null) continue;
    if (typeof peer === 'string') return { ok: false, problem: { kind: peer } };
    if (backend.oneSegment && !isOnSegment(site.host, peer))
      return { ok: false, problem: { kind: 'not-on-segment', publicIp: peer.address } };
    objects.push(...objectsOf(backend.peer(site, peer)));
  }
  return { ok: true, objects: mergePeers(objects) };
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
function peerOf(
  { config: { backend }, external }: NodeView,
  { host }: HostView,
  lease: Lease,
): NetworkHost | 'no-tunnel-mac' | 'no-public-key' | null {
  const { attributes } = lease;
  const version = versionOf(host.address);
  const address = version === 6 ? attributes.publicIpv6 : attributes.publicIp;
  const subnet = version === 6 ? lease.ipv6Subnet : lease.subnet;
  if (address === null || subnet === null) return null;
  const peer = { ...host, name: address, address, subnet };
  if (backend.wireguard !== null) {
    const end = tunnelEnd(backend.wireguard, external.ipv6?.address ?? null, attributes, version);
    return end === null ? 'no-public-key' : { ...peer, ...end };
  }
  if (backend.type !== 'vxlan') return peer;
  const data = tunnelDataSchema.safeParse(version === 6 ? attributes.backendV6Data : attributes.backendData);
  return data.success ? { ...peer, tunnelMac: data.data.VtepMAC.toLowerCase() } : 'no-tunnel-mac';
}

const objectsOf = (changes: readonly NetworkChange[]): KernelObject[] =>
  changes.filter(isKernelChange).map(({ object }) => object);

/** Of the interface, or what the config of WireGuard has instead. */
const outerMtu = ({ config: { backend }, external }: NodeView): number =>
  (backend.wireguard === null ? null : backend.mtu) ?? external.mtu;

/** The MTU of containers. */
export function containerMtuOf(view: NodeView): number {
  if (view.vpc?.encapsulates === false) return view.external.mtu;
  const { overheadBytes } = backendOf(view.config.backend);
  return outerMtu(view) - (view.external.ipv6 === null ? overheadBytes[4] : overheadBytes[6]);
}

/** The name of the vxlan device of a version of IP. */
export const tunnelDevice = (version: 4 | 6, vni: number | null): string =>
  vxlanDevice({ address: version === 6 ? '::' : '0.0.0.0' }, vni ?? VXLAN_DEFAULTS.vni);
