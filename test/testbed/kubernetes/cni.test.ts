import { describe, expect, it } from 'vitest';
import {
  describeCni,
  describeServiceProxy,
  detectCni,
  type Cni,
} from '../../../src/testbed/kubernetes/cni.js';
import { nodeOf, podOf } from './cluster-objects.js';

interface Evidence {
  readonly images?: readonly string[];
  readonly links?: readonly string[];
  readonly backend?: string;
}

const evidenceOf = ({ images = [], links = [], backend }: Evidence) => ({
  node: nodeOf(
    'n',
    backend === undefined ? {} : { annotations: { 'flannel.alpha.coreos.com/backend-type': backend } },
  ),
  pods: images.map((image, index) =>
    podOf(`p${index}`, [{ image: 'registry.k8s.io/pause:3.10' }, { image }]),
  ),
  links: ['lo', 'eth0', ...links],
});
const detect = (evidence: Evidence): Cni | null => detectCni(evidenceOf(evidence));

describe('the CNI of a node', () => {
  it.each<[string, Evidence, string]>([
    [
      'flannel with vxlan',
      {
        images: ['ghcr.io/flannel-io/flannel:v0.27.4'],
        links: ['flannel.1', 'cni0', 'veth1'],
        backend: 'vxlan',
      },
      'flannel 0.27.4 vxlan',
    ],
    [
      'flannel with host-gw, by its annotation',
      { images: ['docker.io/flannel/flannel:v0.25.1'], links: ['cni0'], backend: 'host-gw' },
      'flannel 0.25.1 host-gw',
    ],
    ['flannel without pods of its own (k3s)', { links: ['cni0'], backend: 'wireguard' }, 'flannel wireguard'],
    ['flannel with WireGuard, by its device', { links: ['flannel-wg', 'cni0'] }, 'flannel wireguard'],
    ['flannel with ipip, by its device', { links: ['flannel.ipip', 'cni0'] }, 'flannel ipip'],
    ['flannel with vxlan over IPv6', { links: ['flannel-v6.1', 'cni0'] }, 'flannel vxlan'],
    [
      'Calico with vxlan',
      { images: ['docker.io/calico/node:v3.30.3'], links: ['cali12ab34cd56e', 'vxlan.calico'] },
      'Calico 3.30.3 vxlan',
    ],
    ['Calico with IPIP or BGP', { links: ['cali12ab34cd56e', 'tunl0'] }, 'Calico IPIP or BGP'],
    [
      'Calico with WireGuard beside its tunnel',
      { images: ['quay.io/calico/node:v3.29.0'], links: ['vxlan.calico', 'wireguard.cali'] },
      'Calico 3.29.0 WireGuard',
    ],
    [
      'Calico after flannel, whose annotation is left',
      { images: ['docker.io/calico/node:v3.30.3'], links: ['cali12ab34cd56e', 'tunl0'], backend: 'vxlan' },
      'Calico 3.30.3 IPIP or BGP',
    ],
    [
      'flannel with policies of Calico (Canal)',
      {
        images: ['docker.io/calico/node:v3.30.3', 'docker.io/flannel/flannel:v0.24.4'],
        links: ['cali12ab34cd56e', 'flannel.1'],
        backend: 'vxlan',
      },
      'flannel 0.24.4 vxlan',
    ],
    [
      'Cilium with vxlan, by tag and digest',
      {
        images: [`quay.io/cilium/cilium:v1.18.2@sha256:${'0123'.repeat(16)}`],
        links: ['cilium_host', 'cilium_net', 'cilium_vxlan', 'lxc1'],
      },
      'Cilium 1.18.2 vxlan',
    ],
    [
      'Cilium with native routing',
      { images: ['gke.gcr.io/cilium/cilium:v1.14'], links: ['cilium_host'] },
      'Cilium 1.14',
    ],
    ['Cilium by its devices alone', { links: ['cilium_host', 'cilium_geneve'] }, 'Cilium geneve'],
    [
      'the AWS VPC CNI',
      {
        images: ['602401143452.dkr.ecr.eu-west-1.amazonaws.com/amazon-k8s-cni:v1.20.3-eksbuild.1'],
        links: ['eni0123456789a'],
      },
      'AWS VPC CNI 1.20.3-eksbuild.1',
    ],
    [
      'the AWS VPC CNI with policies of Calico',
      { images: ['quay.io/calico/node:v3.29.0', 'ecr/amazon-k8s-cni:v1.20.3'], links: ['eni0123456789a'] },
      'AWS VPC CNI 1.20.3',
    ],
    [
      'kindnet',
      { images: ['docker.io/kindest/kindnetd:v20250512-df8de77b'], links: ['veth1'] },
      'kindnet 20250512-df8de77b',
    ],
    ['a plain bridge', { links: ['cni0', 'veth1'] }, 'bridge cni0'],
    [
      'an unknown CNI',
      { images: ['example.org/our-own-cni:1'], links: ['pod1'] },
      'a CNI that this account cannot see',
    ],
    ['nothing at all', {}, 'a CNI that this account cannot see'],
  ])('is found: %s', (_, evidence, text) => {
    expect(describeCni(detect(evidence))).toBe(text);
  });

  it.each([
    ['of a registry with a port', 'mirror.internal:5000/flannel/flannel:v0.25.1', '0.25.1'],
    ['of a registry with a port, without a tag', 'mirror.internal:5000/flannel/flannel', null],
    ['that is a digest alone', `docker.io/flannel/flannel@sha256:${'9abc'.repeat(16)}`, null],
    ['that is no number', 'docker.io/flannel/flannel:latest', null],
    ['with a suffix', 'docker.io/rancher/flannel/flannel:v0.24.2-build20240122', '0.24.2-build20240122'],
  ])('has the version of its image %s', (_, image, version) => {
    expect(detect({ images: [image] })).toMatchObject({ name: 'flannel', version });
  });
});

describe('who programs Services', () => {
  it.each<[string, string | null, Evidence, string]>([
    [
      'the mode that kube-proxy reports',
      'nftables',
      { links: ['cilium_host'] },
      'kube-proxy in nftables mode',
    ],
    ['kube-proxy by its image', null, { images: ['registry.k8s.io/kube-proxy:v1.34.1'] }, 'kube-proxy'],
    ['what replaces it', null, { links: ['cilium_host'] }, "Cilium's kube-proxy replacement"],
    ['nothing that is visible', null, { links: ['cni0'] }, 'a service proxy that this account cannot see'],
  ])('is %s', (_, reported, evidence, text) => {
    expect(describeServiceProxy(reported, evidenceOf(evidence))).toBe(text);
  });
});
