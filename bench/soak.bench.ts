import { soakGenerator } from './soak-generator.js';
import { soakNode } from './soak-node.js';

/** `SOAK_S=120 npm run bench soak` for a short one. */
const SECONDS = Number(process.env['SOAK_S'] ?? 3_600);
/** A minute, or a tenth of a shorter run. */
const READING_S = Math.min(60, SECONDS / 10);

export const title = `Soak: a generator at 50,000 requests/s and, beside it, a node agent under changes of leases, for ${SECONDS} s`;

/** Two processes that a user leaves running. Both are watched for memory, open files and drift. */
export async function bench(): Promise<string> {
  const results = await Promise.all([soakGenerator(SECONDS, READING_S), soakNode(SECONDS, READING_S)]);
  return results.join('\n');
}
