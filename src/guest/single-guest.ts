import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { writeScratch, type Exit, type Machine, type RunningProcess } from '../machine/index.js';
import { type BarewireError, type Step, machineError, toolsOf } from '../schema/index.js';
import { GUEST, startOf } from './init.js';
import { initramfsFor } from './initramfs.js';
import { findKernel, type Kernel } from './kernel.js';
import { Monitor } from './console.js';
import { qemuArgv } from './qemu.js';
import { MEMORY_MIB, requireGuests } from './requirements.js';

export interface SingleGuestPlan {
  readonly run: string;
  /** Distinguishes the guests of a run. */
  readonly name: string;
  /** A bzImage; null selects this machine's own kernel if it suffices, else Debian's. */
  readonly kernel: string | null;
  /** `counting` is the default: one CPU that skips idle time. `tcg` has two CPUs and this machine's clock. */
  readonly accelerator?: 'counting' | 'tcg';
  /** Whether the kernel works around flaws of CPUs, which an emulated one does not have. */
  readonly mitigations?: boolean;
  readonly signal: AbortSignal;
}

/** An emulated guest without a NIC. It stops with the machine that started it. */
export interface SingleGuest extends AsyncDisposable {
  /** The version of its kernel. */
  readonly kernel: string;
  /** A directory of this machine that the guest has at `GUEST_SHARE`. */
  readonly share: string;
  /**
   * Runs a shell script in the guest and returns its output.
   *
   * @throws BarewireError `step-failed` with the output for a status other than 0
   */
  run(script: string): Promise<string>;
  /** Runs a command of QEMU's monitor. */
  monitor(command: string): Promise<void>;
}

export const GUEST_SHARE = '/share';
const READY = '@ready';
const BOOT_LIMIT_MS = 120_000;
/** A script that takes longer waits for something that will not happen. */
const SCRIPT_LIMIT_MS = 180_000;

/**
 * @throws BarewireError `missing-tool`, `missing-kernel-feature`, or `process-failed` with the guest's last
 * output
 */
export async function bootSingleGuest(machine: Machine, plan: SingleGuestPlan): Promise<SingleGuest> {
  const busybox = await requireGuests(machine, { guests: 1, tools: toolsOf('single-guest') });
  const kernel = await findKernel(machine, { image: plan.kernel, signal: plan.signal });
  const initramfs = await initramfsFor(machine, kernel, busybox, plan.signal);
  const folder = `/run/barewire/${plan.run}-${plan.name}`;
  await machine.apply(fileSteps(folder, kernel));
  const monitor = join(folder, 'monitor');
  const { accelerator = 'counting', mitigations = false } = plan;
  const argv = qemuArgv({
    accelerator,
    cpus: accelerator === 'counting' ? 1 : 2,
    memoryMiB: MEMORY_MIB,
    kernel,
    initramfs,
    own: join(folder, 'own'),
    share: join(folder, 'share'),
    monitor,
    mitigations,
    nics: [],
  });
  const guest = await machine.start({
    why: `Boot an emulated guest (${accelerator}) with kernel ${kernel.version}.`,
    do: { kind: 'process', name: `qemu-${plan.name}`, netns: null, argv, cpus: [] },
    undo: { kind: 'process', name: `qemu-${plan.name}` },
  });
  const talk = new Talk(guest, plan.signal);
  await talk.hear(READY, BOOT_LIMIT_MS);
  return openGuest(talk, kernel, join(folder, 'share'), await Monitor.connect(monitor));
}

function openGuest(talk: Talk, kernel: Kernel, share: string, monitor: Monitor): SingleGuest {
  let scripts = 0;
  return {
    kernel: kernel.version,
    share,
    run: async (script) => {
      const name = String(++scripts);
      await writeScratch(join(share, `${name}.sh`), script);
      await talk.say(name);
      const status = await talk.hear(`@${name} `, SCRIPT_LIMIT_MS);
      const output = await readFile(join(share, `${name}.out`), 'utf8');
      if (status === '0') return output;
      throw machineError(
        'step-failed',
        output.trim().split('\n').slice(-3).join(' / ') ||
          `A script in the guest exited with status ${status}`,
        'See its output. The kernel may lack what the network needs.',
      );
    },
    monitor: (command) => monitor.command(command),
    [Symbol.asyncDispose]: async () => {
      await monitor[Symbol.asyncDispose]();
      await talk[Symbol.asyncDispose]();
    },
  };
}

/** The dialogue over a guest's console: it reports finished scripts and receives the next one. */
class Talk implements AsyncDisposable {
  readonly #guest: RunningProcess;
  readonly #signal: AbortSignal;
  readonly #heard: string[] = [];

  constructor(guest: RunningProcess, signal: AbortSignal) {
    this.#guest = guest;
    this.#signal = signal;
  }

  say(line: string): Promise<void> {
    return this.#guest.writeLine(line);
  }

  /**
   * Returns the rest of the next line that contains `start` at its beginning or after output of the firmware.
   */
  async hear(start: string, limitMs: number): Promise<string> {
    const heard = new AbortController();
    try {
      return await Promise.race([this.#find(start), this.#ended(), this.#late(limitMs, heard.signal)]);
    } finally {
      heard.abort();
    }
  }

  async #ended(): Promise<never> {
    throw died(await this.#guest.exited, this.#heard);
  }

  /** Rejects at the time limit; with the signal's reason if that comes first. */
  async #late(limitMs: number, heard: AbortSignal): Promise<never> {
    const signal = AbortSignal.any([this.#signal, heard]);
    await sleep(limitMs, undefined, { ref: false, signal }).catch(() => undefined);
    this.#signal.throwIfAborted();
    throw machineError(
      'timed-out',
      `The guest did not respond within ${limitMs / 1_000} s. ${this.#heard.join('\n')}`.trim(),
      'Give this machine more CPU time, or use another kernel with --kernel.',
    );
  }

  async #find(start: string): Promise<string> {
    for (;;) {
      const line = await this.#guest.readLine();
      // The process reports its exit.
      if (line === null) return new Promise(() => undefined);
      const at = line.indexOf(start);
      if (at >= 0) return line.slice(at + start.length).trim();
      this.#heard.push(line);
      this.#heard.splice(0, this.#heard.length - 20);
    }
  }

  [Symbol.asyncDispose](): Promise<void> {
    return Promise.resolve(this.#guest[Symbol.asyncDispose]());
  }
}

/**
 * Runs one script after another, as named on the console. Their output goes to files, because the console is
 * slow.
 */
const START = `stty() { ${GUEST}/busybox stty "$@"; }
mkdir -p ${GUEST_SHARE}
mount -t 9p -o trans=virtio,version=9p2000.L,msize=524288 share ${GUEST_SHARE}
ip link set lo up
dmesg -n 1
stty -F /dev/ttyS0 -echo
echo ${READY}
while read -r name; do
  /bin/sh ${GUEST_SHARE}/$name.sh > ${GUEST_SHARE}/$name.out 2>&1
  echo "@$name $?"
done < /dev/ttyS0
`;

function fileSteps(folder: string, kernel: Kernel): Step[] {
  const modules = join(kernel.root, 'lib/modules', kernel.version);
  const directory = (path: string, undo: Step['undo']): Step => ({
    why: "Create the directory of the guest's files.",
    do: { kind: 'directory', path },
    undo,
  });
  return [
    directory(folder, { kind: 'directory', path: folder }),
    directory(`${folder}/own`, null),
    directory(`${folder}/share`, null),
    {
      why: "Write the guest's start script.",
      do: {
        kind: 'file',
        path: `${folder}/own/start`,
        content: startOf({ modules, version: kernel.version }) + START,
      },
      undo: null,
    },
  ];
}

const died = ({ code, signal, stderrTail }: Exit, heard: readonly string[]): BarewireError =>
  machineError(
    'process-failed',
    `The guest exited (${signal ?? `exit status ${String(code)}`}). ${[stderrTail, ...heard].join('\n')}`.trim(),
    'See its last lines: a kernel panic, an option unknown to this QEMU, or too little memory.',
  );
