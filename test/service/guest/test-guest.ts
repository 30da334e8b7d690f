import { spawn, type ChildProcess } from 'node:child_process';
import { once } from 'node:events';
import { mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { findKernel, initramfsFor, qemuArgv, requireGuests, type NicPlan } from '../../../src/guest/index.js';
import { GUEST, startOf } from '../../../src/guest/init.js';
import { freshRunId, openMachine } from '../../../src/machine/index.js';

const BOOT_LIMIT_MS = 120_000;
const SCRIPT_LIMIT_MS = 60_000;
const READY = '@ready';

interface GuestOptions {
  readonly cpus?: number;
  readonly nics?: readonly NicPlan[];
  readonly netns?: string | null;
}

/**
 * An emulated machine with Debian's kernel, whose root is this machine's, below a writable layer of its own. It runs scripts as root, one
 * after another. It ends with this process.
 */
export class TestGuest implements AsyncDisposable {
  readonly #process: ChildProcess;
  readonly #folder: string;
  readonly #lines: AsyncIterator<string>;
  #scripts = 0;
  /** The guest runs one script at a time. */
  #last: Promise<unknown> = Promise.resolve();

  private constructor(process: ChildProcess, folder: string) {
    this.#process = process;
    this.#folder = folder;
    if (process.stdout === null) throw new Error('QEMU has no console');
    this.#lines = createInterface({ input: process.stdout })[Symbol.asyncIterator]();
  }

  /**
   * @param options.nics on taps of the namespace `netns`
   * @throws where guests cannot run here
   */
  static async boot({ cpus = 2, nics = [], netns = null }: GuestOptions = {}): Promise<TestGuest> {
    await using machine = await openMachine({ run: freshRunId(), host: 'guest', netns: null });
    const busybox = await requireGuests(machine, { guests: 1 });
    const kernel = await findKernel(machine, { image: null });
    const folder = mkdtempSync(join(tmpdir(), 'barewire-guest-'));
    for (const name of ['own', 'share']) mkdirSync(join(folder, name));
    const modules = join(kernel.root, 'lib/modules', kernel.version);
    writeFileSync(join(folder, 'own/start'), startOf({ modules, version: kernel.version }) + START);
    const argv = qemuArgv({
      accelerator: 'tcg',
      cpus,
      memoryMiB: 2_048,
      kernel,
      initramfs: await initramfsFor(machine, kernel, busybox),
      own: join(folder, 'own'),
      share: join(folder, 'share'),
      nics,
    });
    const inside = netns === null ? [] : ['nsenter', `--net=/run/netns/${netns}`];
    const child = spawn('setpriv', ['--pdeathsig', 'KILL', ...inside, ...argv], {
      stdio: ['pipe', 'pipe', 'inherit'],
    });
    const guest = new TestGuest(child, folder);
    try {
      await guest.#hear(READY, BOOT_LIMIT_MS);
      return guest;
    } catch (error) {
      await guest[Symbol.asyncDispose]();
      throw error;
    }
  }

  /** Runs a shell script to its end, and returns its output. */
  run(script: string, limitMs = SCRIPT_LIMIT_MS): Promise<string> {
    const result = this.#last.then(() => this.#run(script, limitMs));
    this.#last = result.catch(() => undefined);
    return result;
  }

  async #run(script: string, limitMs: number): Promise<string> {
    const name = String(++this.#scripts);
    writeFileSync(join(this.#folder, 'share', `${name}.sh`), script);
    this.#process.stdin?.write(`${name}\n`);
    const status = await this.#hear(`@${name} `, limitMs);
    const output = readFileSync(join(this.#folder, 'share', `${name}.out`), 'utf8');
    if (status === '0') return output;
    throw new Error(`In the guest, exit status ${status}: ${script}\n${output}`);
  }

  /** The rest of the next line of the console that has a word. */
  async #hear(word: string, limitMs: number): Promise<string> {
    const late = setTimeout(() => this.#process.kill('SIGKILL'), limitMs);
    const heard: string[] = [];
    try {
      for (;;) {
        const line = await this.#lines.next();
        if (line.done === true) throw new Error(`The guest ended or was too slow:\n${heard.join('\n')}`);
        const at = line.value.indexOf(word);
        if (at >= 0) return line.value.slice(at + word.length).trim();
        heard.push(line.value);
      }
    } finally {
      clearTimeout(late);
    }
  }

  async [Symbol.asyncDispose](): Promise<void> {
    if (this.#process.exitCode === null && this.#process.signalCode === null) {
      const ended = once(this.#process, 'exit');
      this.#process.kill('SIGKILL');
      await ended;
    }
    rmSync(this.#folder, { recursive: true, force: true });
  }
}

/** Output of scripts goes to files, because the console is slow. */
const START = `
mkdir -p /share
mount -t 9p -o trans=virtio,version=9p2000.L,msize=524288 share /share
ip link set lo up
export HOME=/root
dmesg -n 1
${GUEST}/busybox stty -F /dev/ttyS0 -echo
echo ${READY}
while read -r name; do
  /bin/sh /share/$name.sh > /share/$name.out 2>&1 < /dev/null
  echo "@$name $?"
done < /dev/ttyS0
`;
