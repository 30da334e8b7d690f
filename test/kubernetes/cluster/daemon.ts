import type { ChildProcess } from 'node:child_process';
import { once } from 'node:events';
import { closeSync, openSync } from 'node:fs';
import { readFile } from 'node:fs/promises';
import { childOf, type Namespaces } from './namespaces.js';

const PATH = '/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin';

interface DaemonOptions {
  /** The process whose namespaces it is started in. */
  readonly pid: number;
  readonly argv: readonly string[];
  readonly env?: Readonly<Record<string, string>>;
  /** Gets its output. */
  readonly log: string;
}

/** A component of the cluster. */
export class Daemon {
  readonly name: string;
  readonly #options: DaemonOptions;
  readonly #namespaces: Namespaces;
  #process: ChildProcess | null = null;
  #pid = 0;

  constructor(name: string, namespaces: Namespaces, options: DaemonOptions) {
    this.name = name;
    this.#namespaces = namespaces;
    this.#options = options;
  }

  /** Of the program itself, as this machine counts. */
  get pid(): number {
    return this.#pid;
  }

  async start(): Promise<void> {
    const { argv, env, log, pid } = this.#options;
    const file = openSync(log, 'a');
    this.#process = this.#namespaces.spawn(pid, argv, {
      stdio: ['ignore', file, file],
      env: { PATH, HOME: '/run', ...env },
    });
    closeSync(file);
    this.#pid = await childOf(this.#process.pid ?? 0);
  }

  /** Kills the program if it runs, and starts it again. */
  async restart(): Promise<void> {
    if (this.#process !== null && this.#isRunning()) {
      const exit = once(this.#process, 'exit');
      try {
        process.kill(this.#pid, 'SIGKILL');
      } catch {
        // It has ended a moment ago.
      }
      await exit;
    }
    await this.start();
  }

  /** Throws with the end of its log when the program has ended. */
  async assertRunning(): Promise<void> {
    if (this.#isRunning()) return;
    const lines = (await readFile(this.#options.log, 'utf8')).trimEnd().split('\n').slice(-8);
    throw new Error(`${this.name} of the test cluster ended:\n  ${lines.join('\n  ')}`);
  }

  #isRunning(): boolean {
    return this.#process?.exitCode === null && this.#process.signalCode === null;
  }
}
