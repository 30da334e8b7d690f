import { existsSync } from 'node:fs';
import * as z from 'zod';
import { cniConfiguration, cniVariables, type CniAttachment } from '../schema/index.js';
import { runCommand } from './command.js';

/** After so long a plugin counts as hanging. */
const PLUGIN_MS = 20_000;

/** The error code of the CNI specification that Barewire's plugin prints while its agent does not run. */
const TRY_AGAIN = 11;

const errorSchema = z.object({ code: z.number(), msg: z.string(), details: z.string().optional() });
type CniFailure = z.infer<typeof errorSchema>;

/** Attaches a container. Throws with the plugin's message. */
export async function attachContainer(attachment: CniAttachment, tag: string): Promise<void> {
  const failure = await runPlugin('ADD', attachment, tag);
  if (failure !== null) throw new Error(describeFailure(failure));
}

/**
 * Detaches a container. While the agent of the plugin is away its link disappears with the container's namespace, and the agent frees the
 * address when it is back.
 */
export async function detachContainer(attachment: CniAttachment): Promise<void> {
  if (!existsSync(attachment.plugin)) return;
  const failure = await runPlugin('DEL', attachment);
  if (failure !== null && failure.code !== TRY_AGAIN) throw new Error(describeFailure(failure));
}

async function runPlugin(
  command: 'ADD' | 'DEL',
  attachment: CniAttachment,
  tag?: string,
): Promise<CniFailure | null> {
  const variables = Object.entries(cniVariables(command, attachment));
  const argv = ['env', ...variables.map(([name, value]) => `${name}=${value}`), attachment.plugin];
  const { code, stdout, stderr } = await runCommand(argv, {
    netns: null,
    input: cniConfiguration(attachment),
    timeoutMs: PLUGIN_MS,
    // The agent would finish a request whose plugin was interrupted.
    shielded: true,
    ...(tag !== undefined && { tag }),
  });
  if (code === 0) return null;
  try {
    return errorSchema.parse(JSON.parse(stdout));
  } catch {
    return { code: 0, msg: `it exited with ${String(code)}: ${(stderr || stdout).trim()}` };
  }
}

const describeFailure = ({ msg, details = '' }: CniFailure): string =>
  details === '' ? msg : `${msg} (${details})`;
