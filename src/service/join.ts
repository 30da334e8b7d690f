import { readFile } from 'node:fs/promises';
import { Allocations } from '../cni/index.js';
import { KernelNetwork } from '../machine/index.js';
import { userError } from '../schema/index.js';
import { requireCompatible } from './attachments.js';
import { requireBackend } from './backends.js';
import { attributesOf, tunnelDevice, type NodeView, type TunnelMacs } from './desired.js';
import { findExternal } from './external-interface.js';
import type { SubnetLeases } from './flannel/leases.js';
import type { BackendConfig } from './flannel/network-config.js';
import { parseSubnetEnv, type SubnetEnv } from './flannel/subnet-env.js';
import { MARKS } from './kernel-keeper.js';
import type { NodeOptions } from './node-types.js';
import { allocationsPath, drawTunnelMacs, readRecord, saveRecord, type NodeRecord } from './record.js';
import { openNodeKey } from './node-key.js';
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
  requireBackend(config);
  requireCompatible(options.attachment, config.backend);
  using kernel = new KernelNetwork('/proc/thread-self/ns/net', MARKS.protocol);
  const external = findExternal(kernel.read(), options.external, {
    ipv6: config.ipv6 !== null,
    linkTowards: (address) => kernel.linkTowards(address),
  });
  const record = await readRecord(options.stateFolder);
  requireSameAttachment(options, record);
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
    key: config.backend.wireguard === null ? null : await openNodeKey(options),
    vpc: vpc?.initial ?? null,
  };
  try {
    const known = { subnet: record?.subnet ?? null, ipv6Subnet: record?.ipv6Subnet ?? null };
    // What a killed agent must have left to leave the network: before the key in etcd, and before any object.
    await saveRecord(options, wanted, { ...known, etcdLease: record?.etcdLease ?? null });
    const previous = known.subnet === null ? await readSubnetFile(options.subnetFile) : record;
    const delegated = (await vpc?.delegate(config, previous?.subnet ?? null)) ?? null;
    const lease = await leases.acquire(attributesOf(wanted), previous, signal, delegated);
    const view = { ...wanted, subnet: lease.subnet, ipv6Subnet: lease.ipv6Subnet };
    await saveRecord(options, view, { ...view, etcdLease: leases.etcdLease });
    return { view, vpc };
  } catch (error) {
    vpc?.[Symbol.dispose]();
    throw error;
  }
}

/**
 * The containers that a node has need what their attachment needs of the host, and an interface has one mode of IPvlan.
 *
 * @throws BarewireError `bad-input`
 */
function requireSameAttachment({ attachment, stateFolder }: NodeOptions, record: NodeRecord | null): void {
  if (record === null || record.attachment === attachment) return;
  const attached = new Allocations(allocationsPath(stateFolder)).present().length;
  if (attached === 0) return;
  throw userError(
    `--attachment ${attachment} is refused: ${attached} containers of this node are attached by ${record.attachment}.`,
    `Use --attachment ${record.attachment}, or remove these containers first.`,
  );
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
