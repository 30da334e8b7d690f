import { spawn, type ChildProcessByStdio } from 'node:child_process';
import { once } from 'node:events';
import { createInterface } from 'node:readline';
import type { Readable, Writable } from 'node:stream';
import { HEARTBEAT, RpcClient } from '../rpc/index.js';
import {
  type Environment,
  type Step,
  type VerifiedSetting,
  machineError,
  BarewireError,
} from '../schema/index.js';
import { AGENT_PROTOCOL } from './agent-protocol.js';
import { toolPath } from './command.js';
import { bundlePath, version } from './installation.js';
import { messageIn } from './login-noise.js';
import { LineQueue } from './queues.js';
import { undoJournalOf } from './recovery.js';
import type {
  AgentTransport,
  Applied,
  Exit,
  Feature,
  FilesRead,
  Machine,
  MachineIdentity,
  ProbeResult,
  RunningProcess,
  RunOptions,
  RunResult,
  Undone,
  UndoneJournal,
  KeptSteps,
} from './types.js';

/**
 * Starts an agent on the host and returns the host as a machine. Throws `agent-lost` when the agent does not start,
 * `agent-protocol` when it has another version.
 */
export async function connectAgent(identity: MachineIdentity, transport?: AgentTransport): Promise<Machine> {
  const { netns } = identity;
  const prefix = netns === null ? [] : ['nsenter', `--net=/run/netns/${netns}`, '--'];
  const chosen = transport ?? { prefix };
  return new RemoteMachine(identity, await AgentConnection.open(identity, chosen), chosen);
}

/** A machine driven through an agent. */
class RemoteMachine implements Machine {
  readonly name: string;
  readonly bundle?: readonly string[];
  readonly #identity: MachineIdentity;
  readonly #connection: AgentConnection;
  readonly #facts: Environment;
  #disposed: Promise<void> | null = null;

  constructor(
    identity: MachineIdentity,
    connection: AgentConnection,
    { bundle, facts = {} }: AgentTransport,
  ) {
    this.name = identity.host;
    if (bundle !== undefined) this.bundle = bundle;
    this.#facts = facts;
    this.#identity = identity;
    this.#connection = connection;
  }

  get #client() {
    return this.#connection.client;
  }

  apply(steps: readonly Step[]): Promise<Applied> {
    return this.#client.request('apply', { steps: [...steps] });
  }

  undo(mark = 0, steps?: number): Promise<Undone> {
    return this.#client.request('undo', { mark, ...(steps === undefined ? {} : { steps }) });
  }

  async start(step: Step): Promise<RunningProcess> {
    const lines = new LineQueue();
    let resolveExit: (exit: Exit) => void = () => undefined;
    const exited = new Promise<Exit>((resolve) => (resolveExit = resolve));
    const id = this.#connection.addProcess({
      line: (line) => (line === null ? lines.end() : lines.push(line)),
      exit: resolveExit,
    });
    const { pid } = await this.#client.request('start', { process: id, step });
    return {
      name: step.do.kind === 'process' ? step.do.name : '',
      pid,
      exited,
      readLine: (signal) => lines.read(signal),
      writeLine: async (line) => {
        await this.#client.request('write', { process: id, line });
      },
      [Symbol.asyncDispose]: async () => {
        await this.#client.request('stop', { process: id });
      },
    };
  }

  run(argv: readonly string[], options: RunOptions = {}): Promise<RunResult> {
    return this.#client.request('run', { argv: [...argv], options });
  }

  readFiles(paths: readonly string[]): Promise<FilesRead> {
    return this.#client.request('readFiles', { paths: [...paths] });
  }

  probe(features: readonly Feature[]): Promise<readonly ProbeResult[]> {
    return this.#client.request('probe', { features: [...features] });
  }

  async environment(): Promise<Environment> {
    return { ...(await this.#client.request('environment', {})), ...this.#facts };
  }

  verify(): Promise<readonly VerifiedSetting[]> {
    return this.#client.request('verify', {});
  }

  async keep(label: string): Promise<void> {
    await this.#client.request('keep', { label });
  }

  listKept(): Promise<readonly KeptSteps[]> {
    return this.#client.request('listKept', {});
  }

  undoKept(): Promise<readonly UndoneJournal[]> {
    return this.#client.request('undoKept', {});
  }

  /** Throws `undo-failed` with what could not be undone. */
  async [Symbol.asyncDispose](): Promise<void> {
    this.#disposed ??= this.#dispose();
    await this.#disposed;
  }

  async #dispose(): Promise<void> {
    const failure = await this.#connection.close();
    // The agent undoes its steps before it exits. One that was killed did not: its journal and its steps are here, unless the host
    // is another machine.
    if (failure === null || (await undoJournalOf(this.#identity))) return;
    if (failure.code === 'undo-failed') throw failure;
  }
}

/** Receives what a process of the agent prints; `line` is null at the end of its output. */
interface ProcessListener {
  line(line: string | null): void;
  exit(exit: Exit): void;
}

type AgentProcess = ChildProcessByStdio<Writable, Readable, Readable>;

const TAIL_LINES = 20;
/** How long an agent may take to undo its steps; then it is killed, and its journal is undone from here. */
const CLOSE_MS = 30_000;

/** An agent's process and the RPC client over its standard input and output. */
class AgentConnection {
  readonly client: RpcClient<typeof AGENT_PROTOCOL>;
  readonly #host: string;
  readonly #child: AgentProcess;
  readonly #lastOutput: () => string | Promise<string>;
  readonly #ended: Promise<BarewireError>;
  readonly #listeners = new Map<number, ProcessListener>();
  readonly #stderrTail: string[] = [];
  #lastProcess = 0;
  #saidGoodbye = false;

  private constructor(
    host: string,
    child: AgentProcess,
    { throughShell = false, lastWords = () => '' }: AgentTransport,
  ) {
    this.#host = host;
    this.#child = child;
    this.#lastOutput = lastWords;
    this.client = new RpcClient(AGENT_PROTOCOL, {
      peer: `agent of ${host}`,
      version: version(),
      write: (line) => void child.stdin.write(`${line}\n`),
      onEvent: {
        line: ({ process: id, line }) => this.#listeners.get(id)?.line(line),
        exit: ({ process: id, exit }) => this.#listeners.get(id)?.exit(exit),
      },
    });
    // The end of the process carries the reason.
    child.stdin.on('error', () => undefined);
    const keep = (line: string): void => {
      this.#stderrTail.push(line);
      this.#stderrTail.splice(0, this.#stderrTail.length - TAIL_LINES);
    };
    createInterface({ input: child.stdout, crlfDelay: Infinity }).on('line', (line) => {
      const message = throughShell ? messageIn(line) : line;
      if (message === null) keep(line);
      else this.client.receive(message);
    });
    createInterface({ input: child.stderr, crlfDelay: Infinity }).on('line', keep);
    this.#ended = this.#waitForEnd();
  }

  /** Starts the agent behind the prefix and opens the host. Throws `agent-lost` or `agent-protocol`. */
  static async open(
    { run, host, netns }: MachineIdentity,
    transport: AgentTransport,
  ): Promise<AgentConnection> {
    const { prefix, bundle = [process.execPath, bundlePath()], throughShell = false } = transport;
    // In real time, a collector that waits for its helper threads would keep them from running.
    const [node = process.execPath, ...script] = bundle;
    const agent = [node, '--single-threaded-gc', ...script, 'agent'];
    // POSIX: within single quotes every character stands for itself except the single quote.
    const [file = '', ...args] = [
      ...prefix,
      ...(throughShell ? agent.map((word: string) => `'${word.replaceAll("'", `'\\''`)}'`) : agent),
    ];
    // In this process's own group: a kill of the whole group takes the agent too, and the journal remains.
    const child = spawn(file, args, {
      stdio: ['pipe', 'pipe', 'pipe'],
      env: { ...process.env, PATH: toolPath() },
    });
    transport.signal?.addEventListener('abort', () => child.kill(), { once: true });
    if (transport.preamble !== undefined) child.stdin.write(transport.preamble);
    const connection = new AgentConnection(host, child, transport);
    try {
      await connection.client.shakeHands();
      await connection.client.request('open', {
        run,
        host,
        netns,
        standalone: transport.standalone ?? false,
        unprivileged: transport.unprivileged ?? false,
      });
    } catch (error) {
      await connection.#end();
      throw error;
    }
    const { intervalMs, limitMs } = HEARTBEAT;
    const heartbeat = { intervalMs, limitMs: transport.silenceLimitMs ?? limitMs };
    connection.client.startHeartbeat(heartbeat, () => child.kill('SIGKILL'));
    return connection;
  }

  /** The number that identifies a process, and what receives its output. */
  addProcess(listener: ProcessListener): number {
    const id = ++this.#lastProcess;
    this.#listeners.set(id, listener);
    return id;
  }

  /** Lets the agent undo its steps and exit. Resolves with null when it has said so; otherwise with the reason. */
  async close(): Promise<BarewireError | null> {
    const killing = setTimeout(() => this.#child.kill('SIGKILL'), CLOSE_MS);
    const [goodbye] = await Promise.allSettled([this.client.request('close', {})]);
    this.#saidGoodbye = goodbye.status === 'fulfilled';
    clearTimeout(killing);
    const lost = await this.#end();
    if (goodbye.status === 'fulfilled') return null;
    return goodbye.reason instanceof BarewireError ? goodbye.reason : lost;
  }

  /** Ends the input, after which an agent undoes its steps and exits. */
  async #end(): Promise<BarewireError> {
    this.#child.stdin.end();
    const killing = setTimeout(() => this.#child.kill('SIGKILL'), CLOSE_MS);
    const lost = await this.#ended;
    clearTimeout(killing);
    return lost;
  }

  async #waitForEnd(): Promise<BarewireError> {
    const reason = await Promise.race([
      // Not `exit`: results may still be in the pipe.
      once(this.#child, 'close').then(([code, signal]) => `it exited with ${String(signal ?? code)}`),
      once(this.#child, 'error').then(([error]) => `could not start it: ${String(error)}`),
    ]);
    const lastOutput = this.#saidGoodbye ? '' : await this.#lastOutput();
    const output = [...this.#stderrTail, ...lastOutput.split('\n')].filter((line) => line !== '');
    const error = machineError(
      'agent-lost',
      `The agent of ${this.#host} is lost: ${reason}${output.length === 0 ? '' : `: ${output.join(' / ')}`}`,
      'It undoes its own steps. If it was killed, run: barewire undo',
    );
    this.client.end(error);
    for (const listener of this.#listeners.values()) {
      listener.line(null);
      listener.exit({ code: null, signal: null, stderrTail: error.message });
    }
    this.#listeners.clear();
    return error;
  }
}
