import { accessSync, constants } from 'node:fs';
import { setTimeout as sleep } from 'node:timers/promises';
import type { Machine } from '../machine/index.js';
import { Console } from './console.js';
import { PROBE_WORD } from './init.js';
import type { Kernel } from './kernel.js';
import { qemuArgv } from './qemu.js';

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
