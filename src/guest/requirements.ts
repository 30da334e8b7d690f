import { existsSync, accessSync, constants } from 'node:fs';
import { arch } from 'node:os';
import { setTimeout as sleep } from 'node:timers/promises';
import type { Machine } from '../machine/index.js';
import { type BarewireError, installCommand, machineError, toolsOf } from '../schema/index.js';
import { Console } from './console.js';
import { PROBE_WORD } from './init.js';
import type { Kernel } from './kernel.js';
import { TRANSLATION_MIB, qemuArgv } from './qemu.js';

const BUSYBOXES = ['/usr/bin/busybox', '/bin/busybox'];

export const MEMORY_MIB = 1_024;
/** For QEMU's other memory, and a reserve for the machine. */
const MARGIN_MIB = 512;

export interface GuestNeeds {
  readonly guests?: number;
  readonly tools?: readonly string[];
}

/**
 * Returns the path of busybox.
 *
 * @throws BarewireError before any change where this machine cannot run the guests
 */
export async function requireGuests(
  machine: Machine,
  { guests = 2, tools = toolsOf('guest') }: GuestNeeds = {},
): Promise<string> {
  if (arch() !== 'x64')
    throw cannot(`this machine is ${arch()}`, 'Use an x86-64 machine, or another testbed.');
  const busybox = BUSYBOXES.find((path) => existsSync(path));
  const results = await machine.probe(tools.map((name) => ({ kind: 'tool', name })));
  const missing = tools.filter((_, at) => results[at]?.answer === 'no');
  if (missing.length > 0 || busybox === undefined) throw toolsMissing(missing, busybox);
  const { files } = await machine.readFiles(['/proc/meminfo']);
  const kib = /^MemAvailable:\s+(?<kib>\d+) kB$/m.exec(files['/proc/meminfo'] ?? '')?.groups?.['kib'];
  const availableMiB = Math.floor(Number(kib ?? Infinity) / 1_024);
  const neededMiB = guests * (MEMORY_MIB + TRANSLATION_MIB) + MARGIN_MIB;
  if (availableMiB < neededMiB)
    throw cannot(
      `${availableMiB} MiB of memory are free, ${guests} guests need ${neededMiB}`,
      'Stop programs that use memory, or use another testbed.',
    );
  return busybox;
}

function toolsMissing(missing: readonly string[], busybox: string | undefined): BarewireError {
  const names = [...missing, ...(busybox === undefined ? ['busybox'] : [])];
  return machineError(
    'missing-tool',
    `Guests need ${names.join(', ')}, which this machine lacks.`,
    `On Debian or Ubuntu: ${installCommand(names)}`,
  );
}

const cannot = (why: string, hint: string): BarewireError =>
  machineError('missing-kernel-feature', `Guests cannot run here: ${why}.`, hint);

/** KVM boots to the probe's word in about one second. On a KVM that does not work a guest prints nothing. */
const PROBE_MS = 4_000;

/**
 * Returns `kvm` only after a guest has run on it: /dev/kvm can exist, report its version, and hang every
 * guest, as with nested virtualisation that is only half enabled.
 */
export async function findAccelerator(
  machine: Machine,
  kernel: Kernel,
  initramfs: string,
): Promise<'kvm' | 'tcg'> {
  if (!mayUseKvm()) return 'tcg';
  const argv = qemuArgv({
    accelerator: 'kvm',
    cpus: 2,
    memoryMiB: 256,
    kernel,
    initramfs,
    own: 'probe',
    nics: [],
  });
  await using probe = await machine.start({
    why: 'Test whether guests run on KVM.',
    do: { kind: 'process', name: 'qemu-probe', netns: null, argv, cpus: [] },
    undo: { kind: 'process', name: 'qemu-probe' },
  });
  const proved = new Console(probe).said(PROBE_WORD).then(() => true);
  const failed = Promise.race([probe.exited, sleep(PROBE_MS)]).then(() => false);
  return (await Promise.race([proved, failed])) ? 'kvm' : 'tcg';
}

function mayUseKvm(): boolean {
  try {
    accessSync('/dev/kvm', constants.R_OK | constants.W_OK);
    return true;
  } catch {
    return false;
  }
}
