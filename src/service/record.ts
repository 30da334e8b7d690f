import { randomBytes } from 'node:crypto';
import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import * as z from 'zod';
import { removeFile, replaceFile } from '../machine/index.js';
import { machineError } from '../schema/index.js';
import { ATTACHMENTS } from './attachments.js';
import type { TunnelMacs } from './desired.js';

/** What a node must know after its agent has ended, also to leave the network. No secrets. */
const recordSchema = z.object({
  record: z.literal(1),
  prefix: z.string(),
  subnet: z.string(),
  ipv6Subnet: z.string().nullable(),
  publicIp: z.string(),
  tunnelMacs: z.object({ ipv4: z.string(), ipv6: z.string() }),
  subnetFile: z.string(),
  attachment: z.enum(ATTACHMENTS),
});
export type NodeRecord = z.infer<typeof recordSchema>;

const recordPath = (folder: string): string => join(folder, 'node.json');

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

export const writeRecord = (folder: string, record: NodeRecord): Promise<void> =>
  replaceFile(recordPath(folder), `${JSON.stringify(record, null, 2)}\n`);

export const removeRecord = (folder: string): Promise<void> => removeFile(recordPath(folder));

/** A locally administered unicast MAC. */
const drawMac = (): string =>
  [0x02, ...randomBytes(5)].map((byte) => byte.toString(16).padStart(2, '0')).join(':');

export const drawTunnelMacs = (): TunnelMacs => ({ ipv4: drawMac(), ipv6: drawMac() });
