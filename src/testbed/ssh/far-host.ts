import type { RunResult } from '../../machine/index.js';
import { BarewireError } from '../../schema/index.js';
import type { Bundle } from './bundle.js';
import { askProgram, MARKER, receiveProgram } from './far-programs.js';
import { runFar, type Reach, type Run } from './reach.js';

/** A machine at the far end of ssh that an agent can run on. */
export interface FarHost {
  readonly reach: Reach;
  /** What starts the bundle there. */
  readonly bundle: readonly [node: string, agent: string];
  /** Whether it takes sudo to be root. */
  readonly sudo: boolean;
  /** The address that ssh came in by; empty when the far side does not say. */
  readonly address: string;
}

const LEAST_NODE = 20;

/**
 * Looks at a machine, and puts the bundle there where it is missing, damaged or of another version.
 * @throws BarewireError that names the machine and what it lacks: `host-unreachable`, `host-unsupported`, `missing-tool`, `not-root`.
 */
export async function prepareFarHost(run: Run, reach: Reach, bundle: Bundle): Promise<FarHost> {
  const answers = await ask(run, reach, bundle);
  const host = checked(reach, bundle, answers);
  if (answers.get('bundle') !== 'whole') await send(run, reach, bundle);
  return host;
}

async function ask(run: Run, reach: Reach, bundle: Bundle): Promise<ReadonlyMap<string, string>> {
  const result = await runFar(run, reach, askProgram(bundle));
  const lines = result.stdout.split('\n');
  const marker = lines.indexOf(MARKER);
  if (marker === -1) throw noShell(reach, result);
  return new Map(
    lines.slice(marker + 1).map((line) => {
      const at = line.indexOf('=');
      return [line.slice(0, at), line.slice(at + 1)];
    }),
  );
}

function checked(reach: Reach, bundle: Bundle, answers: ReadonlyMap<string, string>): FarHost {
  const answer = (key: string): string => answers.get(key) ?? '';
  const node = answer('node');
  const version = answer('nodeVersion');
  if (answer('system') !== 'Linux') throw notLinux(reach, answer('system'));
  if (node === '') throw noNode(reach);
  if (!(Number.parseInt(version, 10) >= LEAST_NODE)) throw oldNode(reach, node, version);
  if (!bundle.architectures.includes(answer('arch'))) throw otherArchitecture(reach, bundle, answer('arch'));
  if (answer('root') === 'no') throw noSudo(reach);
  return {
    reach,
    bundle: [node, answer('agent')],
    sudo: answer('root') === 'sudo',
    address: answer('address'),
  };
}

async function send(run: Run, reach: Reach, bundle: Bundle): Promise<void> {
  const { code, stderr } = await runFar(run, reach, receiveProgram(bundle));
  if (code === 0) return;
  throw new BarewireError(`The agent could not be put on ${reach.destination}: ${stderr.trim()}`, {
    code: 'disk',
    fault: 'machine',
    hint: 'Make room in the home directory there (about 6 MB in ~/.cache/barewire), and let it be written to.',
  });
}

const noShell = ({ destination }: Reach, { code, stdout, stderr }: RunResult): BarewireError =>
  new BarewireError(
    `${destination} did not run a shell command (exit status ${String(code)}): ${(stderr || stdout).trim().slice(0, 300)}`,
    {
      code: 'host-unsupported',
      fault: 'machine',
      hint: 'The account must be allowed to run commands: no forced command, no restricted shell.',
    },
  );

const notLinux = ({ destination }: Reach, system: string): BarewireError =>
  new BarewireError(`${destination} runs ${system}, not Linux.`, {
    code: 'host-unsupported',
    fault: 'machine',
    hint: 'Container networks of Linux can only be measured on Linux.',
  });

const noNode = ({ destination }: Reach): BarewireError =>
  new BarewireError(`${destination} has no node in the PATH of a command over ssh.`, {
    code: 'missing-tool',
    fault: 'machine',
    hint: `Install Node ${LEAST_NODE} or newer there (Debian: apt-get install nodejs), or link yours into /usr/local/bin.`,
  });

const oldNode = ({ destination }: Reach, node: string, version: string): BarewireError =>
  new BarewireError(
    `${destination} has Node ${version === '' ? 'of an unknown version' : version} (${node}).`,
    {
      code: 'missing-tool',
      fault: 'machine',
      hint: `Install Node ${LEAST_NODE} or newer there, or link a newer one into /usr/local/bin and take the old one out of the PATH.`,
    },
  );

const otherArchitecture = ({ destination }: Reach, { architectures }: Bundle, found: string): BarewireError =>
  new BarewireError(
    `${destination} is ${found}, and the native library is installed here for ${architectures.join(', ')} only.`,
    {
      code: 'host-unsupported',
      fault: 'machine',
      hint: `Install it for that architecture too: npm install --no-save --force @koromix/koffi-linux-${found}, in the version of koffi here; or run the study from a machine of its kind.`,
    },
  );

const noSudo = ({ destination }: Reach): BarewireError =>
  new BarewireError(`The account of ${destination} is not root, and sudo -n does not let it be.`, {
    code: 'not-root',
    fault: 'machine',
    hint: 'Log in as root, or give the account a line in /etc/sudoers.d: NAME ALL=(root) NOPASSWD: ALL',
  });
