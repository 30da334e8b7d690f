import { createPrivateKey, createPublicKey, randomBytes } from 'node:crypto';
import { readFile } from 'node:fs/promises';
import { keyBytes } from '../linux/index.js';
import { replaceFile } from '../machine/index.js';
import { userError } from '../schema/index.js';
import type { NodeOptions } from './node-types.js';
import { readRecord } from './record.js';
import type { NodeKey } from './wireguard.js';

/**
 * Reads the private key as flanneld keeps it, or makes one that only root can read.
 *
 * @throws BarewireError `bad-input` for a file with something else
 */
export async function openNodeKey({ keyFile: file, stateFolder }: NodeOptions): Promise<NodeKey> {
  const found = await readFile(file, 'utf8').catch((error: unknown) => {
    if ((error as NodeJS.ErrnoException).code === 'ENOENT') return null;
    throw error;
  });
  if (found !== null) {
    const key = keyBytes(found.trim());
    if (key !== null)
      return { file, publicKey: publicKeyOf(key), isOwn: (await readRecord(stateFolder))?.keyFile === file };
    throw userError(
      `${file} has no WireGuard key: it must have 32 bytes in base64.`,
      'Remove it, so that a new key is made, or name another file by WIREGUARD_KEY_FILE.',
    );
  }
  const key = randomBytes(32);
  // A scalar of Curve25519 (RFC 7748, section 5).
  key.writeUInt8(key.readUInt8(0) & 248, 0);
  key.writeUInt8((key.readUInt8(31) & 127) | 64, 31);
  await replaceFile(file, key.toString('base64'), 0o600);
  return { file, publicKey: publicKeyOf(key), isOwn: true };
}

/** PKCS #8 of a key for X25519 (RFC 8410), without the key's own bytes at the end. */
const PKCS8 = Buffer.from('302e020100300506032b656e04220420', 'hex');

function publicKeyOf(key: Buffer): string {
  const privateKey = createPrivateKey({ key: Buffer.concat([PKCS8, key]), format: 'der', type: 'pkcs8' });
  const { x = '' } = createPublicKey(privateKey).export({ format: 'jwk' });
  return Buffer.from(x, 'base64url').toString('base64');
}
