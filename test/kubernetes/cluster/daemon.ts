import { spawn, type ChildProcess } from 'node:child_process';
import { once } from 'node:events';
import { closeSync, openSync } from 'node:fs';
import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';

const PATH = '/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin';

/** The arguments that run a program in all namespaces of a process. */
export const inNamespacesOf = (pid: number, argv: readonly string[]): string[] => [
  'nsenter',
  `--target=${pid}`,
  ...['--mount', '--net', '--pid', '--uts', '--ipc'],
  '--',
  ...argv,
];

/** The first child of a process, waited for. */
export async function childOf(pid: number): Promise<number> {
  for (let attempt = 0; attempt < 5_000; attempt++) {
    const children = await readFile(`/proc/${pid}/task/${pid}/children`, 'utf8').catch(() => null);
    if (children === null) throw new Error(`Process ${pid} ended before it started a child`);
    if (children !== '') return Number.parseInt(children, 10);
    await sleep(2);
  }
  throw new Error(`Process ${pid} has started no child`);
}

/** A program in the namespaces of another process. Its output goes to `FOLDER/log/NAME.log`. */
export class Daemon {
  readonly name: string;
  readonly #argv: readonly string[];
  readonly #options: { readonly folder: string; readonly env: Readonly<Record<string, string>> };
  #process: ChildProcess | null = null;
  #pid = 0;

  constructor(
    name: string,
    namespacesOf: number,
    argv: readonly string[],
    options: { readonly folder: string; readonly env?: Readonly<Record<string, string>> },
  ) {
    this.name = name;
    this.#argv = inNamespacesOf(namespacesOf, argv);
    this.#options = { env: {}, ...options };
  }

  /** Of the program itself, as this machine counts. */
  get pid(): number {
    return this.#pid;
  }

  get #log(): string {
    return join(this.#options.folder, 'log', `${this.name}.log`);
  }

  async start(): Promise<void> {
    const log = openSync(this.#log, 'a');
    const [program, ...args] = this.#argv;
    this.#process = spawn(program ?? '', args, {
      stdio: ['ignore', log, log],
      detached: true,
      env: { PATH, HOME: this.#options.folder, ...this.#options.env },
    });
    closeSync(log);
    this.#pid = await childOf(this.#process.pid ?? 0);
  }

  /** Kills the program if it runs, and starts it again. */
  async restart(): Promise<void> {
    if (this.running) process.kill(this.#pid, 'SIGKILL');
    await this.exited();
    await this.start();
  }

  get running(): boolean {
    return this.#process?.exitCode === null && this.#process.signalCode === null;
  }

  async exited(): Promise<void> {
    if (this.#process !== null && this.running) await once(this.#process, 'exit');
  }

  /** Throws with the end of its log when the program has ended. */
  async assertRunning(): Promise<void> {
    if (this.running) return;
    const lines = (await readFile(this.#log, 'utf8')).trimEnd().split('\n').slice(-8);
    throw new Error(`${this.name} of the test cluster ended:\n  ${lines.join('\n  ')}`);
  }
}
