import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { Allocations, CONTAINER_ALIAS, SLOT_FILES } from '../cni/index.js';
import { KernelNetwork, lockFile, removeFile, removeSlots, removeSocket } from '../machine/index.js';
import { EtcdClient } from './etcd/client.js';
import { findDifference } from './difference.js';
import { Firewall } from './firewall.js';
import { LeaseStore } from './flannel/lease-store.js';
import { parseEntry } from './flannel/lease-entry.js';
import type { SubnetLeasesOptions } from './flannel/leases.js';
import { MARKS } from './kernel-keeper.js';
import { AWS_VPC, openVpc } from './vpc.js';
import { allocationsPath, readRecord, removeRecord, type NodeRecord } from './record.js';

/** What a node had when it left. */
export interface LeftNetwork {
  readonly subnet: string | null;
  /** False when another node has the subnet, or no node. */
  readonly leaseDeleted: boolean;
  readonly removedObjects: number;
  /** The ids of containers that are still attached. Their interfaces stay. */
  readonly attachedContainers: readonly string[];
}

/** Where a node keeps its record, and where its agent listens. */
interface NodePlaces {
  readonly stateFolder: string;
  readonly socket: string;
}

/**
 * Leaves the network: deletes the node's lease, its links, routes and rules, and its files. Containers lose their connections to other
 * nodes. Safe to repeat.
 *
 * @param etcd null leaves the lease, which then expires
 * @param waitMs how long to wait for an agent that is about to end
 *
 * @throws BarewireError `locked` while the agent runs, `etcd-unreachable`
 */
export async function leaveNetwork(
  { stateFolder, socket }: NodePlaces,
  etcd: Omit<SubnetLeasesOptions, 'onEvent'> | null,
  signal: AbortSignal,
  waitMs = 0,
): Promise<LeftNetwork> {
  await using _lock = await lockPatiently(join(stateFolder, 'lock'), waitMs);
  // An agent that was killed left it.
  await removeSocket(socket);
  const record = await readRecord(stateFolder);
  if (record !== null && etcd !== null) await releaseRoutes(record, etcd, signal);
  const leaseDeleted = record !== null && etcd !== null && (await deleteLease(record, etcd, signal));
  using kernel = new KernelNetwork('/proc/thread-self/ns/net', MARKS.protocol);
  const state = kernel.read();
  const shared = { ...MARKS, alias: CONTAINER_ALIAS };
  const removals = [MARKS, shared].flatMap((marks) => findDifference([], state, marks).edits);
  kernel.apply(removals);
  await new Firewall(false).remove();
  const attached = new Allocations(allocationsPath(stateFolder)).present();
  // Without it, an agent that joins again would give an address that is in use to another container.
  if (attached.length === 0) await removeFile(allocationsPath(stateFolder));
  if (record !== null) {
    if (record.cniFolder !== null) removeSlots(record.cniFolder, SLOT_FILES);
    await removeFile(record.subnetFile);
    if (record.keyFile !== null) await removeFile(record.keyFile);
    await removeRecord(stateFolder);
  }
  return {
    subnet: record?.subnet ?? null,
    leaseDeleted,
    removedObjects: removals.length,
    attachedContainers: attached.map(({ containerId }) => containerId),
  };
}

/** Before the lease is deleted: other nodes claim the place in the VPC's table when they see that it is gone. */
async function releaseRoutes(
  { subnet, publicIp, prefix }: NodeRecord,
  options: Omit<SubnetLeasesOptions, 'onEvent'>,
  signal: AbortSignal,
): Promise<void> {
  if (subnet === null) return;
  using client = new EtcdClient(options);
  const config = await new LeaseStore(client, options.prefix ?? prefix).readConfig(signal);
  if (config.backend.type !== AWS_VPC) return;
  using vpc = await openVpc(config, publicIp, signal);
  await vpc.release(subnet);
}

async function lockPatiently(path: string, waitMs: number): Promise<AsyncDisposable> {
  const deadline = performance.now() + waitMs;
  for (;;)
    try {
      return await lockFile(path, 'node leave');
    } catch (error) {
      if (performance.now() >= deadline) throw error;
      await sleep(20);
    }
}

/** Deletes the node's key: the record's, or, where a killed agent has not recorded one, those with its address. */
async function deleteLease(
  { subnet, etcdLease, publicIp, prefix }: NodeRecord,
  options: Omit<SubnetLeasesOptions, 'onEvent'>,
  signal: AbortSignal,
): Promise<boolean> {
  using client = new EtcdClient(options);
  const store = new LeaseStore(client, options.prefix ?? prefix);
  let isDeleted = false;
  for (const pair of (await store.list(signal)).entries) {
    const { name, lease, attributes } = parseEntry(pair, store.subnets);
    const isKnown = subnet === null || lease?.subnet === subnet;
    const isOwn = pair.lease === etcdLease || (isKnown && attributes?.publicIp === publicIp);
    if (isOwn && (await store.remove(name, pair.modRevision, signal))) isDeleted = true;
  }
  if (etcdLease !== null) await client.revokeLease(etcdLease, signal);
  return isDeleted;
}
