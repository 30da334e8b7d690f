import type { RunResult } from '../../machine/index.js';
import { type BarewireError, machineError } from '../../schema/index.js';
import { sshOptions } from './options.js';

/** A machine to reach, and the configuration to reach it by: null is the user's own. */
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
/** ssh's own exit status for all that goes wrong before the far side's command runs. */
const SSH_FAILED = 255;

/**
 * What the user set for a terminal is not for a program: there is nobody to ask for a password, a port may be forwarded there
 * already, a command would take the place of ours, and a master left in the background would hold our pipes open (one that
 * runs is used).
 */
const OPTIONS = {
  BatchMode: 'yes',
  ClearAllForwardings: 'yes',
  RemoteCommand: 'none',
  ControlMaster: 'no',
  ConnectTimeout: '15',
  // Three in a row without an answer end it.
  ServerAliveInterval: '5',
};

/** The system's ssh by the user's configuration; it ends when the far side falls silent. */
export const sshArgv = ({ destination, config }: SshConnection): string[] => [
  'ssh',
  '-T',
  ...(config === null ? [] : ['-F', config]),
  ...sshOptions(OPTIONS),
  destination,
];

/** Runs a program of the far side's `sh` to its end. Throws `host-unreachable` with ssh's own last words. */
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
 * ssh has one exit status for all of these, and no other sign. Its words have been the same for twenty years and are not
 * translated; where they should change, the hint is a general one.
 */
const HINTS: readonly (readonly [RegExp, (reach: SshConnection) => string])[] = [
  [
    /host key verification failed/i,
    ({ destination }) =>
      `Compare its host key with what the machine's owner says, then put it into known_hosts: ssh ${destination}`,
  ],
  [
    /permission denied/i,
    ({ destination }) =>
      `Put a key that needs no passphrase, or that your ssh-agent holds, on the machine: ssh-copy-id ${destination}`,
  ],
];

function unreachable(reach: SshConnection, said: string): BarewireError {
  const hint = HINTS.find(([words]) => words.test(said))?.[1];
  return machineError(
    'host-unreachable',
    `ssh does not reach ${reach.destination}: ${said}`,
    hint?.(reach) ?? `See what it says by hand: ssh -o BatchMode=yes ${reach.destination} true`,
  );
}
