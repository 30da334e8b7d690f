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

interface KnownCni {
  readonly name: string;
  /** Of its daemon. */
  readonly image: RegExp;
  /** Its interfaces on a node; null where they have no name of its own. */
  readonly link: RegExp | null;
  readonly modes: readonly (readonly [RegExp, string])[];
}

/**
 * The first that matches is the CNI: where two run, the later one enforces policies on the network of the earlier one (Canal, and
 * Calico or Cilium on the networks of AWS and Azure).
 */
const KNOWN: readonly KnownCni[] = [
  { name: 'AWS VPC CNI', image: /amazon-k8s-cni/, link: /^eni[0-9a-f]{11}$/, modes: [] },
  { name: 'Azure CNI', image: /azure-cns|azure-vnet/, link: /^azv/, modes: [] },
  {
    name: 'flannel',
    image: /\/flannel(?::|@|$)/,
    link: /^flannel[.-]/,
    modes: [
      [/^flannel(?:-v6)?\.\d+$/, 'vxlan'],
      [/^flannel-wg/, 'wireguard'],
      [/^flannel\.ipip$/, 'ipip'],
    ],
  },
  {
    name: 'Cilium',
    image: /\/cilium(?:-agent)?(?::|@|$)/,
    link: /^cilium_/,
    modes: [
      [/^cilium_wg0$/, 'WireGuard'],
      [/^cilium_vxlan$/, 'vxlan'],
      [/^cilium_geneve$/, 'geneve'],
    ],
  },
  {
    name: 'Calico',
    image: /calico\/node|calico-node/,
    link: /^cali[0-9a-f]{5,}/,
    modes: [
      [/^wireguard\.cali$/, 'WireGuard'],
      [/^vxlan\.calico$/, 'vxlan'],
      [/^tunl0$/, 'IPIP or BGP'],
    ],
  },
  { name: 'Antrea', image: /antrea/, link: /^antrea-gw0$/, modes: [[/^genev_sys/, 'geneve']] },
  { name: 'OVN-Kubernetes', image: /ovn-kube/, link: /^ovn-k8s-/, modes: [[/^genev_sys/, 'geneve']] },
  { name: 'Kube-OVN', image: /kube-ovn/, link: /^ovn0$/, modes: [] },
  { name: 'Weave Net', image: /weave-kube/, link: /^weave$/, modes: [[/^vxlan-/, 'vxlan']] },
  { name: 'kube-router', image: /kube-router/, link: /^kube-bridge$/, modes: [[/^tun-/, 'ipip']] },
  { name: 'kindnet', image: /kindnetd/, link: null, modes: [] },
];

const FLANNEL_BACKEND = 'flannel.alpha.coreos.com/backend-type';

/** Names the CNI of a node by what runs there, then by its interfaces and annotations; null where nothing shows it. */
export function detectCni({ node, pods, links }: CniEvidence): Cni | null {
  const backend = node.metadata.annotations?.[FLANNEL_BACKEND];
  const images = imagesOf(pods);
  const found =
    KNOWN.find(({ image }) => images.some((text) => image.test(text))) ??
    KNOWN.find(({ link }) => link !== null && links.some((text) => link.test(text))) ??
    // An annotation may be that of a flannel which was replaced.
    (backend === undefined ? undefined : KNOWN.find(({ name }) => name === 'flannel'));
  if (found === undefined) {
    const bridge = links.find((link) => /^(?:cni|cbr)\d+$/.test(link));
    return bridge === undefined ? null : { name: `bridge ${bridge}`, version: null, mode: null };
  }
  const { name, image, modes } = found;
  const daemon = images.find((text) => image.test(text));
  const byLink = modes.find(([pattern]) => links.some((link) => pattern.test(link)))?.[1] ?? null;
  return {
    name,
    version: daemon === undefined ? null : versionOf(daemon),
    mode: name === 'flannel' ? (backend ?? byLink) : byLink,
  };
}

const imagesOf = (pods: readonly ClusterPod[]): string[] =>
  pods.flatMap(({ spec }) => spec.containers.flatMap(({ image }) => image ?? []));

/** The tag of an image, if it is a version. The registry may have a port, and the image a digest. */
const versionOf = (image: string): string | null =>
  /:v?(?<version>\d[^/:]*)$/.exec(image.replace(/@.*$/, ''))?.groups?.['version'] ?? null;

export const describeCni = (cni: Cni | null): string =>
  cni === null
    ? 'a CNI that this account cannot see'
    : [cni.name, cni.version, cni.mode].filter((part) => part !== null).join(' ');

/** Who programs Services: kube-proxy's mode as it reports it, or what replaces it. */
export function describeServiceProxy(reported: string | null, { pods, links }: CniEvidence): string {
  if (reported !== null) return `kube-proxy in ${reported} mode`;
  if (imagesOf(pods).some((image) => image.includes('kube-proxy'))) return 'kube-proxy';
  if (links.some((link) => link.startsWith('cilium_'))) return "Cilium's kube-proxy replacement";
  return 'a service proxy that this account cannot see';
}
