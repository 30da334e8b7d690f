import { spawn, type ChildProcess, type SpawnOptions } from 'node:child_process';
import { once } from 'node:events';
import { closeSync, existsSync, openSync } from 'node:fs';
import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { succeed } from './run.js';

const SEPARATE = ['--mount', '--net', '--pid', '--uts', '--ipc', '--fork', '--kill-child', '--mount-proc'];
const script = (name: string): string => join(import.meta.dirname, name);

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

/** The namespaces of a cluster: the control plane's, and those of its nodes below them. */
export class Namespaces implements AsyncDisposable {
  readonly #folder: string;
  readonly #name: string;
  readonly #supervisor: ChildProcess;
  /** What was started in the namespaces, and ends with them. */
  readonly #children: ChildProcess[] = [];
  #pid = 0;

  private constructor(folder: string, name: string) {
    this.#folder = folder;
    this.#name = name;
    const log = openSync(join(folder, 'log/plane.log'), 'a');
    // Out of reach of the terminal's Ctrl-C: it ends at the end of its input, which is when this process ends.
    this.#supervisor = spawn('bash', [script('supervise.sh'), folder, name], {
      stdio: ['pipe', 'pipe', log],
      detached: true,
    });
    closeSync(log);
  }

  /** Disposing removes the folder, and the cgroups whose names start with the name. */
  static async open(folder: string, name: string): Promise<Namespaces> {
    const namespaces = new Namespaces(folder, name);
    try {
      const printed = await outputUntil(namespaces.#supervisor, 'ready\n');
      namespaces.#pid = await childOf(Number.parseInt(printed, 10));
      return namespaces;
    } catch (error) {
      await namespaces[Symbol.asyncDispose]();
      throw error;
    }
  }

  /** The first process of the control plane's namespaces. */
  get pid(): number {
    return this.#pid;
  }

  /** A SIGKILL to it ends the cluster. */
  get supervisor(): number {
    return this.#supervisor.pid ?? 0;
  }

  /** Starts a program in all namespaces of the process `pid`, out of reach of the terminal's Ctrl-C. */
  spawn(pid: number, argv: readonly string[], options: SpawnOptions): ChildProcess {
    const [program, ...args] = inNamespacesOf(pid, argv);
    const child = spawn(program ?? '', args, { ...options, detached: true });
    this.#children.push(child);
    return child;
  }

  /** Starts the namespaces of a node with a wire to the control plane's. Returns their first process. */
  async addNode(number: number, name: string, folder: string): Promise<number> {
    const first = ['bash', script('node.sh'), String(number), name, folder];
    const log = openSync(join(this.#folder, `log/node${number}.log`), 'a');
    const node = this.spawn(this.#pid, ['unshare', ...SEPARATE, '--propagation', 'private', ...first], {
      stdio: ['ignore', 'pipe', log],
    });
    closeSync(log);
    const ready = outputUntil(node, 'ready\n');
    ready.catch(() => undefined);
    // nsenter starts unshare, and unshare the node's first process.
    const pid = await childOf(await childOf(node.pid ?? 0));
    const wire = `node${number}`;
    await succeed(
      ['nsenter', `--target=${this.#pid}`, '--net', 'ip', '-batch', '-'],
      `link add ${wire} type veth peer name eth0 netns ${pid}\nlink set ${wire} master br0 up\n`,
    );
    await ready;
    return pid;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#supervisor.stdin?.end();
    await ended(this.#supervisor);
    await Promise.all(this.#children.map((child) => ended(child)));
    if (this.#supervisor.exitCode === 0) return;
    // A killed supervisor takes the processes along, and leaves the files. Its grandchild is reaped by the machine's
    // first process.
    for (let attempt = 0; attempt < 500 && existsSync(`/proc/${this.#pid}`); attempt++) await sleep(10);
    const remove = spawn('bash', [script('remove.sh'), this.#folder, this.#name], { stdio: 'inherit' });
    const [code] = (await once(remove, 'exit')) as [number | null];
    if (code !== 0) throw new Error(`Could not remove what is left of the test cluster ${this.#name}`);
  }
}

async function ended(child: ChildProcess): Promise<void> {
  if (child.exitCode === null && child.signalCode === null) await once(child, 'exit');
}

/** What a program prints up to `mark`; throws when it ends before. */
async function outputUntil(child: ChildProcess, mark: string): Promise<string> {
  let printed = '';
  for await (const chunk of child.stdout?.iterator({ destroyOnReturn: false }) ?? []) {
    printed += String(chunk);
    if (printed.includes(mark)) return printed;
  }
  throw new Error(`${child.spawnargs.join(' ')} ended early`);
}
