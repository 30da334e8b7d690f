import {
  hostGw,
  ipipBackend,
  vxlanBackend,
  VXLAN_DEFAULTS,
  wireguardBackend,
  WIREGUARD_DEFAULTS,
  type Backend,
} from '../network/index.js';
import { probeLinkTypes } from '../linux/index.js';
import { machineError, userError } from '../schema/index.js';
import type { BackendConfig, NetworkConfig } from './flannel/network-config.js';
import { AWS_VPC } from './vpc.js';

const BACKENDS: Readonly<Record<string, (config: BackendConfig) => Backend>> = {
  'host-gw': () => hostGw,
  ipip: ipipBackend,
  vxlan: ({ vni, port, directRouting }) =>
    vxlanBackend({ vni: vni ?? VXLAN_DEFAULTS.vni, port: port ?? VXLAN_DEFAULTS.port, directRouting }),
  wireguard: ({ wireguard }) => wireguardBackend(wireguard?.options ?? WIREGUARD_DEFAULTS),
  // Peers without a route in the VPC are reached by VXLAN.
  [AWS_VPC]: () => vxlanBackend(VXLAN_DEFAULTS),
};

/** What `Backend.Type` of flannel's config may be. */
export const BACKEND_TYPES: readonly string[] = Object.keys(BACKENDS);

/** By config, so that they are computed once and not for each peer. */
const made = new WeakMap<BackendConfig, Backend>();

/** @throws BarewireError `bad-input` for a backend that Barewire lacks */
export function backendOf(config: BackendConfig): Backend {
  const backend = made.get(config) ?? BACKENDS[config.type]?.(config);
  if (backend !== undefined) {
    made.set(config, backend);
    return backend;
  }
  throw userError(
    `Backend.Type of the flannel config is ${JSON.stringify(config.type)}, which Barewire does not run.`,
    `Use ${BACKEND_TYPES.join(', ')}.`,
  );
}

/**
 * Before anything is changed. The kernel loads the module of a link type where it can.
 *
 * @throws BarewireError `bad-input` as `backendOf`, `missing-kernel-feature`
 */
export function requireBackend({ backend: config, ipv6 }: NetworkConfig): void {
  const { requires, noIpv6 } = backendOf(config);
  if (ipv6 !== null && noIpv6 !== undefined)
    throw userError(
      `EnableIPv6 of the flannel config is true, and ${noIpv6}.`,
      'Set it to false, or use vxlan, host-gw or wireguard.',
    );
  // With aws-vpc, VXLAN is only for what the route tables lack.
  const types = requires.flatMap((need) =>
    need.kind === 'link-type' && config.type !== AWS_VPC ? [need.type] : [],
  );
  for (const [at, { answer }] of probeLinkTypes(types).entries()) {
    const type = types[at] ?? '';
    if (answer === 'no')
      throw machineError(
        'missing-kernel-feature',
        `Backend.Type of the flannel config is ${config.type}, and this kernel has no module ${type}.`,
        `Run \`modprobe ${type}\` to see why, install a kernel that has the module (${KERNELS[type] ?? 'those of all distributions do'}), ` +
          'or change Backend.Type.',
      );
  }
}

const KERNELS: Readonly<Record<string, string>> = {
  wireguard: 'Linux 5.6 or newer, not the minimal kernels of some clouds',
  ipip: 'not the minimal kernels of some clouds',
};
