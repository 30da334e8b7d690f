import { readFile } from 'node:fs/promises';
import { KernelNetwork } from '../machine/index.js';
import { requireCompatible } from './attachments.js';
import { attributesOf, backendOf, tunnelDevice, type NodeView, type TunnelMacs } from './desired.js';
import { findExternal } from './external-interface.js';
import type { SubnetLeases } from './flannel/leases.js';
import type { BackendConfig } from './flannel/network-config.js';
import { parseSubnetEnv, type SubnetEnv } from './flannel/subnet-env.js';
import { MARKS } from './kernel-keeper.js';
import type { NodeOptions } from './node-types.js';
import { drawTunnelMacs, readRecord } from './record.js';
import { AWS_VPC, openVpc, vpcConfigOf, VpcFollower } from './vpc.js';

/** A node with its lease, before its kernel has the state. */
export interface Joined {
  readonly view: NodeView;
  /** With the backend aws-vpc. */
  readonly vpc: VpcFollower | null;
}

/**
 * Reads the config, checks that this host can follow it, and gets a lease: the one that it had, with the MACs of its tunnels, also under
 * stock flanneld.
 *
 * @throws BarewireError `bad-input` before anything is changed
 */
export async function joinNetwork(
  leases: SubnetLeases,
  options: NodeOptions,
  signal: AbortSignal,
): Promise<Joined> {
  const config = await leases.readConfig(signal);
  backendOf(config.backend);
  requireCompatible(options.attachment, config.backend);
  using kernel = new KernelNetwork('/proc/thread-self/ns/net', MARKS.protocol);
  const external = findExternal(kernel.read(), { ...options, ipv6: config.ipv6 !== null });
  const record = await readRecord(options.stateFolder);
  const vpc =
    config.backend.type === AWS_VPC
      ? new VpcFollower(await openVpc(config, external.ipv4.address, signal), vpcConfigOf(config))
      : null;
  const wanted: NodeView = {
    config,
    external,
    subnet: '',
    ipv6Subnet: null,
    tunnelMacs: record?.tunnelMacs ?? { ...drawTunnelMacs(), ...macsOf(kernel, config.backend) },
    attachment: options.attachment,
    vpc: vpc?.initial ?? null,
  };
  try {
    const previous = record ?? (await readSubnetFile(options.subnetFile));
    const { subnet, ipv6Subnet } = await leases.acquire(attributesOf(wanted), previous, signal);
    return { view: { ...wanted, subnet, ipv6Subnet }, vpc };
  } catch (error) {
    vpc?.[Symbol.dispose]();
    throw error;
  }
}

/** Of the devices that flanneld left: peers know their MACs. */
function macsOf(kernel: KernelNetwork, { vni }: BackendConfig): Partial<TunnelMacs> {
  const links = kernel.links();
  const macOf = (version: 4 | 6): string | null => {
    const link = links.get(tunnelDevice(version, vni));
    return link?.type === 'vxlan' ? link.mac : null;
  };
  const [ipv4, ipv6] = [macOf(4), macOf(6)];
  return { ...(ipv4 !== null && { ipv4 }), ...(ipv6 !== null && { ipv6 }) };
}

async function readSubnetFile(path: string): Promise<SubnetEnv | null> {
  try {
    return parseSubnetEnv(await readFile(path, 'utf8'));
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ENOENT') return null;
    throw error;
  }
}
