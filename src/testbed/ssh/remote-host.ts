import type { RunResult } from '../../machine/index.js';
import { type BarewireError, machineError } from '../../schema/index.js';
import type { Bundle } from '../bundle.js';
import { queryProgram, MARKER, readProgram, receiveProgram } from './remote-programs.js';
import { runOverSsh, type SshConnection, type SshRunOptions } from './ssh-connection.js';

/** A remote host that can run an agent. */
export interface RemoteHost {
  readonly reach: SshConnection;
  /** The command that starts the bundle there. */
  readonly bundle: readonly [node: string, agent: string];
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
  if (!host.hasBundle) await send(run, reach, bundle);
  return host;
}

/** Reads what a machine is and whether it has the bundle. Changes nothing there. */
export async function queryRemoteHost(
  run: SshRunOptions,
  reach: SshConnection,
  bundle: Bundle,
): Promise<RemoteHost> {
  const lines = (await runAfterMarker(run, reach, queryProgram(bundle))).stdout.split('\n');
  const values = new Map(
    lines.map((line) => {
      const at = line.indexOf('=');
      return [line.slice(0, at), line.slice(at + 1)];
    }),
  );
  return checked(reach, bundle, values);
}

/** Runs a program that prints the marker first, and removes what the login shell printed before it. */
async function runAfterMarker(run: SshRunOptions, reach: SshConnection, program: string): Promise<RunResult> {
  const result = await runOverSsh(run, reach, program);
  const lines = result.stdout.split('\n');
  const marker = lines.indexOf(MARKER);
  if (marker === -1)
    throw machineError(
      'host-unsupported',
      `${reach.destination} did not run a shell command (exit status ${String(result.code)}): ${(result.stderr || result.stdout).trim().slice(0, 300)}`,
      'Allow the account to run commands: no forced command, no restricted shell.',
    );
  return { ...result, stdout: lines.slice(marker + 1).join('\n') };
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
    return runAfterMarker(this.#run, this.#reach, readProgram(argv));
  }

  async readFile(path: string): Promise<string> {
    return (await this.run(['cat', path])).stdout;
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
      `Install Node ${LEAST_NODE} or newer there (Debian: apt-get install nodejs), or link it into /usr/local/bin.`,
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
      `The account on ${reach.destination} is not root, and sudo -n is refused.`,
      'Log in as root, or add a line to /etc/sudoers.d there: NAME ALL=(root) NOPASSWD: ALL',
    );
  return {
    reach,
    bundle: [node, reply('agent')],
    sudo: reply('root') === 'sudo',
    address: reply('address'),
    hasBundle: reply('bundle') === 'whole',
  };
}

async function send(run: SshRunOptions, reach: SshConnection, bundle: Bundle): Promise<void> {
  const { code, stderr } = await runOverSsh(run, reach, receiveProgram(bundle));
  if (code === 0) return;
  throw machineError(
    'disk',
    `Could not copy the agent to ${reach.destination}: ${stderr.trim()}`,
    'Free space in the home directory there (about 6 MB in ~/.cache/barewire), and make it writable.',
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
