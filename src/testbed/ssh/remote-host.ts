import type { RunResult } from '../../machine/index.js';
import { type BarewireError, machineError } from '../../schema/index.js';
import type { Bundle } from '../bundle.js';
import { agentIn, parseMarked, queryProgram, readProgram, receiveProgram } from './remote-programs.js';
import { lastLines, runOverSsh, type SshConnection, type SshRunOptions } from './ssh-connection.js';

/** A remote host that can run an agent. */
export interface RemoteHost {
  readonly reach: SshConnection;
  /** The command that starts the bundle there. */
  readonly bundle: readonly [node: string, agent: string];
  /** The folder of the bundle there. */
  readonly folder: string;
  /** True when root needs sudo. */
  readonly sudo: boolean;
  /** The host's address of the ssh connection; empty when the host does not report it. */
  readonly address: string;
  /** True when the host has the whole bundle in this version. */
  readonly hasBundle: boolean;
}

const LEAST_NODE = 20;

/**
 * Copies the bundle to a machine that lacks it.
 *
 * @throws BarewireError with the machine and what it lacks: `host-unreachable`, `host-unsupported`,
 * `missing-tool`, `not-root`
 */
export async function prepareRemoteHost(
  run: SshRunOptions,
  reach: SshConnection,
  bundle: Bundle,
): Promise<RemoteHost> {
  const host = await queryRemoteHost(run, reach, bundle);
  if (!host.hasBundle) await send(run, reach, bundle, host.folder);
  return host;
}

/** Reads what a machine is and whether it has the bundle. Changes nothing there. */
export async function queryRemoteHost(
  run: SshRunOptions,
  reach: SshConnection,
  bundle: Bundle,
): Promise<RemoteHost> {
  const lines = (await runMarked(run, reach, queryProgram(bundle))).stdout.split('\n');
  const values = new Map(
    lines.map((line) => {
      const at = line.indexOf('=');
      return [line.slice(0, at), line.slice(at + 1)];
    }),
  );
  return checked(reach, bundle, values);
}

/** Runs a program whose output is marked. */
async function runMarked(run: SshRunOptions, reach: SshConnection, program: string): Promise<RunResult> {
  const result = await runOverSsh(run, reach, program);
  const parsed = parseMarked(result.stdout);
  if (parsed === null)
    throw machineError(
      'host-unsupported',
      `${reach.destination} did not run a shell command (exit status ${String(result.code)}): ${lastLines(`${result.stderr}\n${result.stdout}`).slice(0, 300)}`,
      'Allow the account to run commands: no forced command, no restricted shell.',
    );
  return { ...result, ...parsed };
}

/** Reads a machine over ssh, without an agent on it. */
export class HostReader {
  readonly #run: SshRunOptions;
  readonly #reach: SshConnection;
  readonly name: string;

  constructor(run: SshRunOptions, name: string, reach: SshConnection) {
    this.name = name;
    this.#run = run;
    this.#reach = reach;
  }

  /** Runs a program that changes nothing. */
  run(argv: readonly string[]): Promise<RunResult> {
    return runMarked(this.#run, this.#reach, readProgram(argv));
  }

  /** Reads text files in one connection; null for one that is missing or empty. */
  async readFiles<Path extends string>(
    paths: readonly Path[],
  ): Promise<Readonly<Record<Path, string | null>>> {
    // Each line follows the path of its file.
    const { stdout } = await this.run(['grep', '-sH', '', ...paths]);
    const textOf = (path: Path): string | null => {
      const lines = stdout.split('\n').filter((line) => line.startsWith(`${path}:`));
      return lines.length === 0 ? null : lines.map((line) => `${line.slice(path.length + 1)}\n`).join('');
    };
    return Object.fromEntries(paths.map((path) => [path, textOf(path)])) as Record<Path, string | null>;
  }
}

function checked(reach: SshConnection, bundle: Bundle, answers: ReadonlyMap<string, string>): RemoteHost {
  const reply = (key: string): string => answers.get(key) ?? '';
  const node = reply('node');
  const version = reply('nodeVersion');
  if (reply('system') !== 'Linux')
    throw machineError(
      'host-unsupported',
      `${reach.destination} runs ${reply('system')}, not Linux.`,
      'Use a Linux host: Barewire measures Linux container networks.',
    );
  if (node === '')
    throw machineError(
      'missing-tool',
      `${reach.destination} has no node in the PATH of a command over ssh.`,
      `Install Node ${LEAST_NODE} or newer there (the package nodejs), or link it into /usr/local/bin.`,
    );
  if (!(Number.parseInt(version, 10) >= LEAST_NODE))
    throw machineError(
      'missing-tool',
      `${reach.destination} has Node ${version === '' ? 'of an unknown version' : version} (${node}).`,
      `Install Node ${LEAST_NODE} or newer there, or link a newer one into /usr/local/bin and remove the old one from the PATH.`,
    );
  if (!bundle.architectures.includes(reply('arch'))) throw otherArchitecture(reach, bundle, reply('arch'));
  if (reply('root') === 'no')
    throw machineError(
      'not-root',
      `The account ${reply('account')} on ${reach.destination} is not root, and \`sudo -n ${node}\` was refused: ${reply('sudo')}`,
      /\btty\b/.test(reply('sudo'))
        ? `Add a line to /etc/sudoers.d there: Defaults:${reply('account')} !requiretty`
        : `Log in as root, or add a line to /etc/sudoers.d there: ${reply('account')} ALL=(root) NOPASSWD: ${node}`,
    );
  if (reply('noFolder') !== '')
    throw machineError(
      'disk',
      `${reach.destination} has no folder from which the agent can run: ${reply('noFolder')}`,
      'Make one of these folders writable there, on a file system without noexec.',
    );
  return {
    reach,
    bundle: [node, agentIn(reply('folder'))],
    folder: reply('folder'),
    sudo: reply('root') === 'sudo',
    address: reply('address'),
    hasBundle: reply('bundle') === 'whole',
  };
}

async function send(run: SshRunOptions, reach: SshConnection, bundle: Bundle, folder: string): Promise<void> {
  const { code, stderr } = await runOverSsh(run, reach, receiveProgram(bundle, folder));
  if (code === 0) return;
  const problem = /^Error: .*$/m.exec(stderr)?.[0] ?? stderr.trim();
  throw machineError(
    'disk',
    `Could not copy the agent to ${folder} on ${reach.destination}: ${problem}`,
    'Free about 6 MB there, and make the folder writable.',
  );
}

const otherArchitecture = (
  { destination }: SshConnection,
  { architectures }: Bundle,
  found: string,
): BarewireError =>
  machineError(
    'host-unsupported',
    `${destination} is ${found}, but the agent has a native part for ${architectures.join(' and ')} only.`,
    'Use a host with one of these architectures.',
  );
