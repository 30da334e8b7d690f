import { userError } from '../../schema/index.js';

/** A machine as the user's ssh knows it, and the data interface where the user names one. */
export interface SshTarget {
  readonly destination: string;
  readonly dev: string | null;
}

/** `HOST`, `USER@HOST` or a name of ~/.ssh/config; `HOST/DEV` names the data interface. Throws `bad-input`. */
export function parseTarget(text: string): SshTarget {
  const { destination, dev } =
    /^(?<destination>[A-Za-z0-9_[][^\s/]*)(\/(?<dev>[^\s/]{1,15}))?$/.exec(text)?.groups ?? {};
  if (destination !== undefined) return { destination, dev: dev ?? null };
  throw userError(
    `"${text}" is not a machine that ssh can reach.`,
    'Write HOST, USER@HOST or a name of ~/.ssh/config; /DEV after it names the data interface: db1/eth2.',
  );
}
