import { spawn, type ChildProcess } from 'node:child_process';
import { once } from 'node:events';
import { existsSync } from 'node:fs';
import { createInterface } from 'node:readline';
import type { Readable, Writable } from 'node:stream';
import { setTimeout as sleep } from 'node:timers/promises';
import {
  inNetns,
  pidsWithVariable,
  sessionMembers,
  setHighSessionPriority,
  setShortTimeSlice,
} from '../linux/index.js';
import { type Action, bug, dockerArgv, machineError } from '../schema/index.js';
import { TAG, toolPath } from './command.js';
import { findProcess } from './docker.js';
import type { Entry, ProcessIdentity } from './journal-format.js';
import { LineQueue } from './queues.js';
import { identify } from './session.js';
import type { Exit } from './types.js';

const TAIL_LINES = 20;
/** How long the last output may take after the exit: a child may keep the pipe open. */
const LAST_WORDS_MS = 50;

/**
 * Waits for a line on descriptor 3 and then executes the program. The pid is journaled in between: if the
 * journal's owner dies before that, the descriptor closes and the program never starts.
 */
const GATE = 'read -r go <&3 && exec 3<&- && exec "$@"';
/** The same in a container, whose programs have no other descriptor than the standard ones. */
const INNER_GATE = 'read -r go && exec "$@"';

type ProcessAction = Extract<Action, { kind: 'process' }>;

/**
 * A process of a step, in its own session, with pipes to it. The program does not run before it is released.
 */
export class StartedProcess {
  readonly name: string;
  readonly identity: ProcessIdentity;
  readonly exited: Promise<Exit>;
  readonly #stdin: Writable;
  readonly #gate: Writable;
  readonly #lines = new LineQueue();
  readonly #action: ProcessAction;
  readonly #tag: string;
  #pid: number;
  #hasExited = false;

  constructor(entry: Entry) {
    const action = processOf(entry);
    this.#action = action;
    this.#tag = entry.undo?.kind === 'process' ? entry.undo.tag : '';
    const child = spawnGated(action, this.#tag);
    const identity = child.pid === undefined ? null : identify(child.pid);
    if (identity === null)
      throw machineError(
        'process-failed',
        `${action.name}: could not start ${action.argv.join(' ')}`,
        'Check that /bin/sh exists and that the limits allow another process.',
      );
    const [stdin, stdout, stderr, gate] = child.stdio as unknown as [Writable, Readable, Readable, Writable];
    this.name = action.name;
    this.identity = identity;
    this.#pid = identity.pid;
    this.#prioritize();
    this.#stdin = stdin;
    this.#gate = gate;
    // A process that has exited does not read; `exited` reports its end.
    stdin.on('error', () => undefined);
    gate.on('error', () => undefined);
    this.exited = this.#follow(child, stdout, stderr);
    void this.exited.then(() => (this.#hasExited = true));
  }

  /** Of the program; of one in a container, as this machine sees it, once it was released. */
  get pid(): number {
    return this.#pid;
  }

  /**
   * Starts the program, and resolves when it can be used: in its container, with its socket.
   *
   * @throws BarewireError `process-failed` when it exits before
   */
  async release(): Promise<void> {
    this.#gate.end('go\n');
    const { container, socket } = this.#action;
    if (container !== undefined) {
      const client = this.identity.pid;
      const inner = await findProcess(
        () => {
          const outside = new Set([client, ...sessionMembers(client).map(({ pid }) => pid)]);
          return pidsWithVariable(TAG, this.#tag).find((pid) => !outside.has(pid));
        },
        () => this.#hasExited,
      );
      if (inner === null) throw await this.#notStarted(`it did not start in the container ${container.name}`);
      this.#pid = inner;
      this.#prioritize();
      await this.writeLine('go');
    }
    if (socket === undefined) return;
    const isListening = (): number | undefined => (existsSync(socket) ? this.#pid : undefined);
    if ((await findProcess(isListening, () => this.#hasExited)) === null)
      throw await this.#notStarted(`it did not create ${socket}`);
  }

  #prioritize(): void {
    if (this.#action.highPriority !== true) return;
    setHighSessionPriority(this.#pid);
    setShortTimeSlice([this.#pid]);
  }

  async #notStarted(problem: string): Promise<Error> {
    const words = this.#hasExited ? (await this.exited).stderrTail : '';
    return machineError(
      'process-failed',
      `${this.name}: ${problem}: ${words}`,
      'Run the step by hand (--dry-run prints it) to see why.',
    );
  }

  /** Lets it exit without executing the program. */
  abandon(): void {
    this.#gate.end();
  }

  /** Throws `process-failed` when the process no longer reads. */
  writeLine(line: string): Promise<void> {
    return new Promise((resolve, reject) => {
      this.#stdin.write(`${line}\n`, (error) => {
        if (error === null || error === undefined) resolve();
        else
          reject(
            machineError(
              'process-failed',
              `${this.name} (pid ${this.pid}) closed its standard input`,
              'See the last lines of its standard error.',
              error,
            ),
          );
      });
    });
  }

  readLine(signal?: AbortSignal): Promise<string | null> {
    return this.#lines.read(signal);
  }

  async #follow(child: ChildProcess, stdout: Readable, stderr: Readable): Promise<Exit> {
    const tail: string[] = [];
    createInterface({ input: stdout, crlfDelay: Infinity })
      .on('line', (line) => this.#lines.push(line))
      .on('close', () => this.#lines.end());
    createInterface({ input: stderr, crlfDelay: Infinity }).on('line', (line) => {
      tail.push(line);
      tail.splice(0, tail.length - TAIL_LINES);
    });
    const closed = once(child, 'close');
    const [code, signal] = (await once(child, 'exit')) as [number | null, string | null];
    await Promise.race([closed, sleep(LAST_WORDS_MS)]);
    return { code, signal, stderrTail: tail.join('\n') };
  }
}

function processOf(entry: Entry): ProcessAction {
  if (entry.step.do.kind === 'process') return entry.step.do;
  throw bug(`A ${entry.step.do.kind} is not a process: it cannot be started`);
}

function spawnGated(action: ProcessAction, tag: string): ChildProcess {
  const pinned = action.cpus.length === 0 ? [] : ['taskset', '-c', action.cpus.join(',')];
  const { container } = action;
  const argv =
    container === undefined
      ? action.argv
      : dockerArgv(
          container.daemon,
          ...['exec', '--interactive', '--env', `${TAG}=${tag}`, container.name],
          ...['sh', '-c', INNER_GATE, 'sh', ...action.argv],
        );
  const args = ['-c', GATE, 'sh', ...pinned, ...argv];
  const child = inNetns(action.netns, () =>
    spawn('sh', args, {
      stdio: ['pipe', 'pipe', 'pipe', 'pipe'],
      // Its own session: it identifies the members, and the terminal's Ctrl-C does not reach them.
      detached: true,
      env: { ...process.env, PATH: toolPath(), [TAG]: tag },
    }),
  );
  // A process that did not start has no pid.
  child.on('error', () => undefined);
  return child;
}
