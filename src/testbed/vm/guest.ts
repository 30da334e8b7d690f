import { setTimeout as sleep } from 'node:timers/promises';
import { connectAgent, type Machine } from '../../machine/index.js';
import { type Step, machineError } from '../../schema/index.js';
import type { HostRole } from '../types.js';
import { type Accelerator, Console, qemuArgv, type QemuPlan, READY_WORD } from '../../guest/index.js';
import { enterGuest } from './keys.js';
import { baseNetns } from './plan.js';

export interface GuestStart {
  readonly run: string;
  readonly role: HostRole;
  /** Starts QEMU: `qemuStep`. */
  readonly step: Step;
  readonly accelerator: Accelerator;
  readonly limitMs?: number;
  readonly signal?: AbortSignal;
}

/** From the start of QEMU to the agent's hello. Emulated on two shared cores it was seen to take 40 s. */
const BOOT_LIMIT_MS = 120_000;

/**
 * Boots a guest and connects to an agent in it. The guest stops with the machine that started it.
 *
 * @throws BarewireError `process-failed` or `timed-out`, with the last lines of the guest's console
 */
export async function bootGuest(machine: Pick<Machine, 'start'>, start: GuestStart): Promise<Machine> {
  const guest = await machine.start(start.step);
  const console = new Console(guest);
  const gaveUp = new AbortController();
  const lastWords = (): string => console.tail;
  const connected = console.said(READY_WORD).then(() =>
    connectAgent(
      { run: start.run, host: start.role, netns: null },
      {
        prefix: enterGuest(start.run, start.role),
        throughShell: true,
        facts: { accel: start.accelerator },
        ...{ lastWords, signal: gaveUp.signal },
      },
    ),
  );
  const ended = guest.exited.then((exit) => {
    // Fails pending requests to the agent now, and not when ssh times out.
    gaveUp.abort();
    throw machineError(
      'process-failed',
      `The guest of the ${start.role} exited (${exit.signal ?? `exit status ${String(exit.code)}`})${lastLines('QEMU', exit.stderrTail)}${lastLines('its console', console.tail)}`,
      'See its last lines above: a kernel panic, a missing module, a wrong option, or too little memory on this machine.',
    );
  });
  try {
    return await Promise.race([connected, ended, limit(start, console)]);
  } catch (error) {
    gaveUp.abort();
    throw error;
  }
}

/** Rejects when the guest takes too long; with the signal's reason if that comes first. */
async function limit(
  { role, limitMs = BOOT_LIMIT_MS, signal }: GuestStart,
  console: Console,
): Promise<never> {
  await sleep(limitMs, undefined, { ref: false, ...(signal && { signal }) }).catch(() => undefined);
  signal?.throwIfAborted();
  throw machineError(
    'timed-out',
    `The guest of the ${role} was not ready within ${limitMs / 1_000} s${lastLines('its console', console.tail)}`,
    'See its last lines above. Give this machine more CPU time, or use another kernel with --kernel.',
  );
}

/** @param pinnedTo the machine's CPUs that the guest may use; empty leaves it to the scheduler */
export const qemuStep = (run: string, role: HostRole, qemu: QemuPlan, pinnedTo: readonly number[]): Step => {
  const name = `qemu-${role}`;
  return {
    why: `Boot the ${role}: a guest with its own kernel.`,
    do: { kind: 'process', name, netns: baseNetns(run), argv: qemuArgv(qemu), cpus: pinnedTo },
    undo: { kind: 'process', name },
  };
};

const lastLines = (who: string, words: string): string => (words === '' ? '' : `; ${who} said:\n${words}\n`);
