import { spawn, type ChildProcessByStdio } from 'node:child_process';
import { once } from 'node:events';
import { createInterface } from 'node:readline';
import type { Readable, Writable } from 'node:stream';
import type { z } from 'zod';
import { type BarewireError, machineError } from '../schema/index.js';
import { bundlePath } from './bundle-path.js';
import { toolPath } from './command.js';
import {
  agentHelloSchema,
  agentMessageSchema,
  fromFailure,
  HELLO,
  PROTOCOL,
  protocolError,
  type Request,
} from './protocol.js';
import type { AgentTransport, Exit, MachineIdentity } from './types.js';
import { version } from './version.js';

/** Hears what a process at the far end tells; `line` is null at the end of its output. */
export interface ProcessListener {
  line(line: string | null): void;
  exit(exit: Exit): void;
}

interface Waiting {
  readonly resolve: (result: unknown) => void;
  readonly reject: (error: Error) => void;
}

type AgentProcess = ChildProcessByStdio<Writable, Readable, Readable>;

const TAIL_LINES = 20;
/** How long an agent may take to undo its steps; then it is killed, and its journal is undone from here. */
const CLOSE_MS = 30_000;

/** The line to an agent: requests with ids out, answers and news of processes in, many at a time. */
export class Connection {
  readonly #host: string;
  readonly #child: AgentProcess;
  readonly #lastWords: () => string;
  readonly #ended: Promise<BarewireError>;
  readonly #waiting = new Map<number, Waiting>();
  readonly #listeners = new Map<number, ProcessListener>();
  readonly #stderrTail: string[] = [];
  #lastId = HELLO;
  #lost: BarewireError | null = null;

  private constructor(host: string, child: AgentProcess, lastWords: () => string = () => '') {
    this.#host = host;
    this.#lastWords = lastWords;
    this.#child = child;
    // Its end is told with the reason, once, below.
    child.stdin.on('error', () => undefined);
    createInterface({ input: child.stdout, crlfDelay: Infinity }).on('line', (line) => this.#hear(line));
    createInterface({ input: child.stderr, crlfDelay: Infinity }).on('line', (line) => {
      this.#stderrTail.push(line);
      this.#stderrTail.splice(0, this.#stderrTail.length - TAIL_LINES);
    });
    this.#ended = this.#untilEnd();
  }

  /** Starts the agent behind the prefix and greets it. Throws `agent-lost` or `agent-protocol`. */
  static async open(
    identity: MachineIdentity,
    { prefix, bundle = [process.execPath, bundlePath()], throughShell = false, ...reach }: AgentTransport,
  ): Promise<Connection> {
    const agent = [...bundle, 'agent'];
    const [file = '', ...args] = [...prefix, ...(throughShell ? agent.map(quote) : agent)];
    // In this process's own group: what kills the whole group takes the agent too, and then the journal remains.
    const child = spawn(file, args, {
      stdio: ['pipe', 'pipe', 'pipe'],
      env: { ...process.env, PATH: toolPath() },
    });
    reach.signal?.addEventListener('abort', () => child.kill(), { once: true });
    const connection = new Connection(identity.host, child, reach.lastWords);
    try {
      await connection.#greet({ ...identity, alone: reach.standalone ?? false });
    } catch (error) {
      await connection.close();
      throw error;
    }
    return connection;
  }

  /** A request's id, before the request: what listens for its process must be there first. */
  newId(listener?: ProcessListener): number {
    const id = ++this.#lastId;
    if (listener !== undefined) this.#listeners.set(id, listener);
    return id;
  }

  /** Asks, and checks the answer. Throws what the agent threw, or `agent-lost` when no answer can come any more. */
  async request<T extends z.ZodType>(request: Request, schema: T): Promise<z.infer<T>> {
    return schema.parse(await this.#exchange(request.id, request));
  }

  /** Ends the input, upon which the agent undoes what is left and ends; waits for that. Null when it ended well. */
  async close(): Promise<BarewireError | null> {
    this.#child.stdin.end();
    const hung = setTimeout(() => this.#child.kill('SIGKILL'), CLOSE_MS);
    const lost = await this.#ended;
    clearTimeout(hung);
    return this.#child.exitCode === 0 ? null : lost;
  }

  async #greet({ run, host, netns, alone }: MachineIdentity & { alone: boolean }): Promise<void> {
    const hello = { protocol: PROTOCOL, version: version(), run, host, netns, alone };
    const answer = agentHelloSchema.parse(await this.#exchange(HELLO, { hello })).hello;
    if (answer.protocol === PROTOCOL && answer.version === version()) return;
    throw protocolError(
      `The agent of ${host} is Barewire ${answer.version} with protocol ${answer.protocol}, this is ${version()} with protocol ${PROTOCOL}`,
    );
  }

  #exchange(id: number, message: object): Promise<unknown> {
    return new Promise((resolve, reject) => {
      if (this.#lost !== null) {
        reject(this.#lost);
        return;
      }
      this.#waiting.set(id, { resolve, reject });
      this.#child.stdin.write(`${JSON.stringify(message)}\n`);
    });
  }

  #hear(line: string): void {
    let value: unknown;
    try {
      value = JSON.parse(line);
    } catch {
      this.#end(protocolError(`The agent of ${this.#host} said ${JSON.stringify(line.slice(0, 200))}`));
      return;
    }
    const hello = agentHelloSchema.safeParse(value);
    if (hello.success) {
      this.#settle(HELLO, (waiting) => waiting.resolve(hello.data));
      return;
    }
    const message = agentMessageSchema.safeParse(value);
    if (!message.success) {
      this.#end(protocolError(`The agent of ${this.#host} said what nobody knows`, message.error));
      return;
    }
    this.#deliver(message.data);
  }

  #deliver(message: z.infer<typeof agentMessageSchema>): void {
    if ('line' in message) this.#listeners.get(message.process)?.line(message.line);
    else if ('exit' in message) this.#listeners.get(message.process)?.exit(message.exit);
    else if ('error' in message)
      this.#settle(message.id, (waiting) => waiting.reject(fromFailure(message.error)));
    else this.#settle(message.id, (waiting) => waiting.resolve(message.result));
  }

  #settle(id: number, how: (waiting: Waiting) => void): void {
    const waiting = this.#waiting.get(id);
    this.#waiting.delete(id);
    if (waiting !== undefined) how(waiting);
  }

  async #untilEnd(): Promise<BarewireError> {
    const reason = await Promise.race([
      // Not `exit`: answers may still be in the pipe.
      once(this.#child, 'close').then(([code, signal]) => `it ended with ${String(signal ?? code)}`),
      once(this.#child, 'error').then(([error]) => `it could not be started: ${String(error)}`),
    ]);
    const words = [...this.#stderrTail, ...this.#lastWords().split('\n')].filter((line) => line !== '');
    const said = words.length === 0 ? '' : `: ${words.join(' / ')}`;
    const error = machineError(
      'agent-lost',
      `The agent of ${this.#host} is gone: ${reason}${said}`,
      'What it had done is undone by itself, or by: barewire undo',
    );
    this.#end(error);
    return error;
  }

  /** Nothing more will come: everybody who waits is told. */
  #end(error: BarewireError): void {
    this.#lost ??= error;
    for (const id of [...this.#waiting.keys()]) this.#settle(id, (waiting) => waiting.reject(error));
    for (const listener of this.#listeners.values()) {
      listener.line(null);
      listener.exit({ code: null, signal: null, stderrTail: error.message });
    }
    this.#listeners.clear();
  }
}

/** POSIX: within single quotes every character is itself but the single quote. */
const quote = (word: string): string => `'${word.replaceAll("'", `'\\''`)}'`;
