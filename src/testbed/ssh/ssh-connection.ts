import type { RunResult } from '../../machine/index.js';
import { type BarewireError, machineError, userError } from '../../schema/index.js';

/** A machine to connect to, its port if the user named one, and the ssh configuration; null is the user's own. */
export interface SshConnection {
  readonly destination: string;
  readonly port: number | null;
  readonly config: string | null;
  /** The socket of a connection to share. Without one there, ssh connects by itself. */
  readonly master?: string;
}

/** Runs a program of this machine to its end. */
export type SshRunOptions = (
  argv: readonly string[],
  options: { readonly input: string | Promise<string>; readonly timeoutMs?: number },
) => Promise<RunResult>;

const COMMAND_LIMIT_MS = 120_000;
/** ssh exits with this status for every failure before the remote command runs. */
export const SSH_FAILED = 255;

/**
 * Overrides settings that only suit a terminal: no prompt can be answered, a forwarded port may be taken, a
 * RemoteCommand would replace the agent, a LocalCommand would print between its messages, and a background
 * master would keep the pipes open (a running one is used). Its messages are the reasons
 * in errors.
 */
const OPTIONS = {
  LogLevel: 'INFO',
  BatchMode: 'yes',
  ClearAllForwardings: 'yes',
  RemoteCommand: 'none',
  PermitLocalCommand: 'no',
  ControlMaster: 'no',
  ConnectTimeout: '15',
  // ssh exits after three intervals without a reply.
  ServerAliveInterval: '5',
};

/**
 * The system's ssh with the user's configuration. It exits when the remote host stops replying. Of several values of an option the
 * first counts: that of `more`.
 */
export const sshArgv = (
  { destination, port, config, master }: SshConnection,
  more: readonly string[] = [],
): string[] => [
  'ssh',
  '-T',
  ...more,
  ...(config === null ? [] : ['-F', config]),
  ...(master === undefined ? [] : ['-S', master]),
  ...sshOptions(OPTIONS),
  ...(port === null ? [] : ['-p', String(port)]),
  destination,
];

/** A command for the user's terminal: `ssh -p 2222 db1`. */
const commandOf = (program: string, { destination, port }: SshConnection): string =>
  [program, ...(port === null ? [] : ['-p', port]), destination].join(' ');

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
  if (result.code === SSH_FAILED) throw unreachable(reach, lastLines(result.stderr));
  return result;
}

/** What the host prints to everyone who logs in precedes the reason. */
export const lastLines = (text: string): string =>
  text.trim().split(/\s*\n/).slice(-REASON_LINES).join(' / ');
const REASON_LINES = 4;

/**
 * ssh has one exit status for all of these and no other sign. Its messages have been stable for twenty years
 * and are not translated. For an unknown message the hint is a general one.
 */
const HINTS: readonly (readonly [RegExp, (reach: SshConnection) => string])[] = [
  [
    /host key verification failed/i,
    (reach) =>
      `Compare its host key with the one that its owner states, then accept it: ${commandOf('ssh', reach)}`,
  ],
  [
    /permission denied/i,
    (reach) =>
      `Install a key without a passphrase, or one that your ssh-agent holds: ${commandOf('ssh-copy-id', reach)}`,
  ],
];

export function unreachable(reach: SshConnection, said: string): BarewireError {
  const hint = HINTS.find(([words]) => words.test(said))?.[1];
  return machineError(
    'host-unreachable',
    `ssh could not connect to ${reach.destination}: ${said}`,
    hint?.(reach) ?? `Run it by hand to see why: ${commandOf('ssh -o BatchMode=yes', reach)} true`,
  );
}

/** Options for the command line of ssh, which precede its configuration. */
export const sshOptions = (options: Readonly<Record<string, string>>): string[] =>
  Object.entries(options).flatMap(([name, value]) => ['-o', `${name}=${value}`]);

/** A machine by its name for ssh, and the data interface if the user named one. */
export interface SshTarget {
  readonly destination: string;
  readonly port: number | null;
  readonly dev: string | null;
}

/** The kernel's longest alternative name of an interface (ALTIFNAMSIZ) without its end. */
const DEV = String.raw`(\/(?<dev>[^\s/]{1,127}))?`;
const FORMS = [
  // Two colons or more: an IPv6 address.
  String.raw`(?<user>[^\s/@]+@)?(?<host>[0-9A-Fa-f]*:[^\s/[\]]*:[^\s/[\]]*)`,
  String.raw`(ssh:\/\/)?(?<user>[^\s/@]+@)?\[(?<host>[^\s/[\]]+)\](:(?<port>\d+))?`,
  String.raw`(ssh:\/\/)?(?<user>[^\s/@]+@)?(?<host>[^\s/@:[\]]+)(:(?<port>\d+))?`,
].map((form) => new RegExp(`^(?!-)${form}${DEV}$`));

/**
 * Parses `HOST`, `USER@HOST`, `HOST:PORT`, `[IPV6]:PORT` or a name of ~/.ssh/config; `HOST/DEV` names the data
 * interface.
 *
 * @throws BarewireError `bad-input`
 */
export function parseTarget(text: string): SshTarget {
  const parts = FORMS.map((form) => form.exec(text)?.groups).find((groups) => groups !== undefined);
  const { user = '', host, port, dev } = parts ?? {};
  if (host !== undefined && !host.startsWith('-') && (port === undefined || isPort(Number(port))))
    // ssh takes the brackets of an IPv6 address as a part of a name.
    return { destination: user + host, port: port === undefined ? null : Number(port), dev: dev ?? null };
  throw userError(
    `"${text}" is not an ssh destination.`,
    'Write HOST, USER@HOST, HOST:PORT, [IPV6]:PORT or a name of ~/.ssh/config; append /DEV to name the data interface: db1/eth2.',
  );
}

const isPort = (port: number): boolean => port >= 1 && port <= 65_535;
