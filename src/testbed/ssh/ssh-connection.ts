import type { RunResult } from '../../machine/index.js';
import { type BarewireError, machineError, userError } from '../../schema/index.js';

/** A machine to connect to, and the ssh configuration to use; null is the user's own. */
export interface SshConnection {
  readonly destination: string;
  readonly config: string | null;
}

/** Runs a program of this machine to its end. */
export type SshRunOptions = (
  argv: readonly string[],
  options: { readonly input: string; readonly timeoutMs: number },
) => Promise<RunResult>;

const COMMAND_LIMIT_MS = 120_000;
/** ssh exits with this status for every failure before the remote command runs. */
const SSH_FAILED = 255;

/**
 * Overrides settings that only suit a terminal: no prompt can be answered, a forwarded port may be taken, a
 * RemoteCommand would replace the agent, and a background master would keep the pipes open (a running one is
 * used).
 */
const OPTIONS = {
  BatchMode: 'yes',
  ClearAllForwardings: 'yes',
  RemoteCommand: 'none',
  ControlMaster: 'no',
  ConnectTimeout: '15',
  // ssh exits after three intervals without a reply.
  ServerAliveInterval: '5',
};

/** The system's ssh with the user's configuration. It exits when the remote host stops replying. */
export const sshArgv = ({ destination, config }: SshConnection): string[] => [
  'ssh',
  '-T',
  ...(config === null ? [] : ['-F', config]),
  ...sshOptions(OPTIONS),
  destination,
];

/**
 * Runs a program with the remote `sh` to its end.
 *
 * @throws BarewireError `host-unreachable` with the last output of ssh
 */
export async function runOverSsh(
  run: SshRunOptions,
  reach: SshConnection,
  script: string,
): Promise<RunResult> {
  const result = await run([...sshArgv(reach), 'exec sh -s'], {
    input: script,
    timeoutMs: COMMAND_LIMIT_MS,
  });
  if (result.code === SSH_FAILED) throw unreachable(reach, result.stderr.trim());
  return result;
}

/**
 * ssh has one exit status for all of these and no other sign. Its messages have been stable for twenty years
 * and are not translated. For an unknown message the hint is a general one.
 */
const HINTS: readonly (readonly [RegExp, (reach: SshConnection) => string])[] = [
  [
    /host key verification failed/i,
    ({ destination }) =>
      `Compare its host key with the one that its owner states, then accept it: ssh ${destination}`,
  ],
  [
    /permission denied/i,
    ({ destination }) =>
      `Install a key without a passphrase, or one that your ssh-agent holds: ssh-copy-id ${destination}`,
  ],
];

function unreachable(reach: SshConnection, said: string): BarewireError {
  const hint = HINTS.find(([words]) => words.test(said))?.[1];
  return machineError(
    'host-unreachable',
    `ssh could not connect to ${reach.destination}: ${said}`,
    hint?.(reach) ?? `Run it by hand to see why: ssh -o BatchMode=yes ${reach.destination} true`,
  );
}

/** Options for the command line of ssh, which precede its configuration. */
export const sshOptions = (options: Readonly<Record<string, string>>): string[] =>
  Object.entries(options).flatMap(([name, value]) => ['-o', `${name}=${value}`]);

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
