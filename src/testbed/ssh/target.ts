import { userError } from '../../schema/index.js';

/** A machine by its name for ssh, and the data interface if the user named one. */
export interface SshTarget {
  readonly destination: string;
  readonly dev: string | null;
}

/**
 * Parses `HOST`, `USER@HOST` or a name of ~/.ssh/config; `HOST/DEV` names the data interface.
 *
 * @throws BarewireError `bad-input`
 */
export function parseTarget(text: string): SshTarget {
  const { destination, dev } =
    /^(?<destination>[A-Za-z0-9_[][^\s/]*)(\/(?<dev>[^\s/]{1,15}))?$/.exec(text)?.groups ?? {};
  if (destination !== undefined) return { destination, dev: dev ?? null };
  throw userError(
    `"${text}" is not an ssh destination.`,
    'Write HOST, USER@HOST or a name of ~/.ssh/config; append /DEV to name the data interface: db1/eth2.',
  );
}
