import type { Environment, Step } from '../schema/index.js';
import { AgentConnection } from './agent-connection.js';
import { LineQueue } from './line-queue.js';
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

  undo(mark = 0): Promise<Undone> {
    return this.#client.request('undo', { mark });
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

  /** Throws `undo-failed` with what could not be undone. */
  async [Symbol.asyncDispose](): Promise<void> {
    this.#disposed ??= this.#dispose();
    await this.#disposed;
  }

  async #dispose(): Promise<void> {
    const lost = await this.#connection.close();
    // The agent undoes its steps before it exits. One that was killed did not: its journal and its steps are here.
    if (lost !== null) await undoJournalOf(this.#identity);
  }
}
