import type { ClusterNode, ClusterPod } from './objects.js';

/** What a node shows of its pod network. */
export interface CniEvidence {
  readonly node: ClusterNode;
  /** Pods on the node that this account may see. */
  readonly pods: readonly ClusterPod[];
  /** Interfaces of the node. */
  readonly links: readonly string[];
}

/** A CNI with its version and mode, as far as the node shows them. */
export interface Cni {
  readonly name: string;
  readonly version: string | null;
  readonly mode: string | null;
}

/** By the image of its daemon, then by its interfaces; modes by annotation or interface. */
const KNOWN: readonly {
  readonly name: string;
  readonly image: RegExp;
  readonly link: RegExp;
  readonly modes: readonly (readonly [RegExp, string])[];
}[] = [
  {
    name: 'Cilium',
    image: /\/cilium(?:-agent)?(?::|@)/,
    link: /^cilium_/,
    modes: [
      [/^cilium_vxlan$/, 'vxlan'],
      [/^cilium_geneve$/, 'geneve'],
      [/^cilium_wg0$/, 'WireGuard'],
    ],
  },
  {
    name: 'Calico',
    image: /calico\/node|calico-node/,
    link: /^cali[0-9a-f]{5,}/,
    modes: [
      [/^vxlan\.calico$/, 'vxlan'],
      [/^wireguard\.cali$/, 'WireGuard'],
      [/^tunl0$/, 'IPIP or BGP'],
    ],
  },
  {
    name: 'flannel',
    image: /\/flannel(?::|@)/,
    link: /^(?:flannel\.|flannel-|flannel\d)/,
    modes: [
      [/^flannel\.\d+$/, 'vxlan'],
      [/^flannel-wg/, 'WireGuard'],
      [/^flannel\.ipip$/, 'ipip'],
    ],
  },
  { name: 'Antrea', image: /antrea/, link: /^antrea-gw0$/, modes: [[/^genev_sys/, 'geneve']] },
  { name: 'OVN-Kubernetes', image: /ovn-kube/, link: /^ovn-k8s-/, modes: [[/^genev_sys/, 'geneve']] },
  { name: 'Kube-OVN', image: /kube-ovn/, link: /^ovn0$/, modes: [] },
  { name: 'Weave Net', image: /weave-kube/, link: /^weave$/, modes: [[/^vxlan-/, 'vxlan']] },
  { name: 'AWS VPC CNI', image: /amazon-k8s-cni/, link: /^eni[0-9a-f]{11}$/, modes: [] },
  { name: 'Azure CNI', image: /azure-cns|azure-vnet/, link: /^azv/, modes: [] },
  { name: 'kube-router', image: /kube-router/, link: /^kube-bridge$/, modes: [[/^tun-/, 'ipip']] },
  { name: 'kindnet', image: /kindnetd/, link: /^(?!.*)/, modes: [] },
];

const FLANNEL_BACKEND = 'flannel.alpha.coreos.com/backend-type';

/** Names the CNI of a node; null where nothing shows it. */
export function detectCni({ node, pods, links }: CniEvidence): Cni | null {
  const backend = node.metadata.annotations?.[FLANNEL_BACKEND];
  const images = pods.flatMap(({ spec }) => spec.containers.flatMap(({ image }) => image ?? []));
  const found = KNOWN.find(
    ({ name, image, link }) =>
      images.some((text) => image.test(text)) ||
      links.some((text) => link.test(text)) ||
      (name === 'flannel' && backend !== undefined),
  );
  if (found === undefined) {
    const bridge = links.find((link) => /^(?:cni|cbr|kube-bridge)\d*$/.test(link));
    return bridge === undefined ? null : { name: `bridge ${bridge}`, version: null, mode: null };
  }
  const daemon = images.find((text) => found.image.test(text));
  const byLink = found.modes.find(([pattern]) => links.some((link) => pattern.test(link)))?.[1];
  return {
    name: found.name,
    version:
      daemon === undefined ? null : (/:v?(?<version>\d[^@]*)/.exec(daemon)?.groups?.['version'] ?? null),
    mode: found.name === 'flannel' ? (backend ?? byLink ?? null) : (byLink ?? null),
  };
}

export const describeCni = (cni: Cni | null): string =>
  cni === null
    ? 'a CNI that this account cannot see'
    : [cni.name, cni.version, cni.mode].filter((part) => part !== null).join(' ');

/** Who programs Services: kube-proxy's mode as it reports it, or what replaces it. */
export function describeServiceProxy(reported: string | null, { pods, links }: CniEvidence): string {
  if (reported !== null) return `kube-proxy in ${reported} mode`;
  const images = pods.flatMap(({ spec }) => spec.containers.flatMap(({ image }) => image ?? []));
  if (images.some((image) => image.includes('kube-proxy'))) return 'kube-proxy';
  if (links.some((link) => link.startsWith('cilium_'))) return "Cilium's kube-proxy replacement";
  return 'a service proxy that this account cannot see';
}
