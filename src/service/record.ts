import { randomBytes } from 'node:crypto';
import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import * as z from 'zod';
import { removeFile, replaceFile } from '../machine/index.js';
import { machineError } from '../schema/index.js';
import { ATTACHMENTS } from './attachments.js';
import type { NodeView, TunnelMacs } from './desired.js';
import type { NodeOptions } from './node-types.js';

/** What a node must know after its agent has ended, also to leave the network. No secrets. */
const recordSchema = z.object({
  record: z.literal(1),
  prefix: z.string(),
  /** Null until the first lease is there. */
  subnet: z.string().nullable(),
  ipv6Subnet: z.string().nullable(),
  /** The etcd lease that holds the key: proves that it is the node's, also after a change of its address. */
  etcdLease: z.string().nullable().default(null),
  publicIp: z.string(),
  tunnelMacs: z.object({ ipv4: z.string(), ipv6: z.string() }),
  subnetFile: z.string(),
  attachment: z.enum(ATTACHMENTS),
  /** Of the private key that the agent has made. */
  keyFile: z.string().nullable().default(null),
  /** Of the CNI plugin's requests. */
  cniFolder: z.string().nullable().default(null),
});
export type NodeRecord = z.infer<typeof recordSchema>;

const DEFAULT_PREFIX = '/coreos.com/network';

const recordPath = (folder: string): string => join(folder, 'node.json');
/** Of the addresses of the node's containers. */
export const allocationsPath = (folder: string): string => join(folder, 'attachments.json');

/** Null on a host that has not joined a network. */
export async function readRecord(folder: string): Promise<NodeRecord | null> {
  const path = recordPath(folder);
  let text: string;
  try {
    text = await readFile(path, 'utf8');
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ENOENT') return null;
    throw error;
  }
  const parsed = recordSchema.safeParse(safeJson(text));
  if (parsed.success) return parsed.data;
  throw machineError(
    'results-damaged',
    `${path} is damaged: ${z.prettifyError(parsed.error)}`,
    'Remove it. The node then takes the lease that has its address.',
  );
}

const safeJson = (text: string): unknown => {
  try {
    return JSON.parse(text);
  } catch {
    return null;
  }
};

export async function saveRecord(
  { cniFolder, stateFolder, subnetFile, leases: { prefix = DEFAULT_PREFIX } }: NodeOptions,
  { external: { publicIp }, tunnelMacs, attachment, key }: NodeView,
  { subnet, ipv6Subnet, etcdLease }: Pick<NodeRecord, 'subnet' | 'ipv6Subnet' | 'etcdLease'>,
): Promise<void> {
  const lease = { subnet, ipv6Subnet, etcdLease };
  // That of an earlier backend is removed with the node, too.
  const former = key === null ? ((await readRecord(stateFolder))?.keyFile ?? null) : null;
  const keyFile = key === null ? former : key.isOwn ? key.file : null;
  const record: NodeRecord = {
    record: 1,
    prefix,
    ...lease,
    publicIp,
    tunnelMacs,
    subnetFile,
    attachment,
    keyFile,
    cniFolder,
  };
  await replaceFile(recordPath(stateFolder), `${JSON.stringify(record, null, 2)}\n`);
}

export const removeRecord = (folder: string): Promise<void> => removeFile(recordPath(folder));

/** A locally administered unicast MAC. */
const drawMac = (): string =>
  [0x02, ...randomBytes(5)].map((byte) => byte.toString(16).padStart(2, '0')).join(':');

export const drawTunnelMacs = (): TunnelMacs => ({ ipv4: drawMac(), ipv6: drawMac() });
