import type { Environment, Step } from '../schema/index.js';
import { Connection } from './connection.js';
import { LineQueue } from './line-queue.js';
import { RESULTS } from './protocol.js';
import { undoJournalOf } from './recovery.js';
import type {
  AgentTransport,
  ProbeResult,
  Exit,
  Feature,
  FilesRead,
  Machine,
  MachineIdentity,
  RunningProcess,
  RunOptions,
  RunResult,
  Applied,
  Undone,
} from './types.js';

/**
 * Starts an agent in the host, and gives the host as a machine. Throws `agent-lost` when it does not come up,
 * `agent-protocol` when it is of another version.
 */
export async function connectAgent(identity: MachineIdentity, reach?: AgentTransport): Promise<Machine> {
  const way = reach ?? { prefix: enter(identity.netns) };
  return new RemoteMachine(identity, await Connection.open(identity, way), way);
}

const enter = (netns: string | null): string[] =>
  netns === null ? [] : ['nsenter', `--net=/run/netns/${netns}`, '--'];

/** A machine at the far end of an agent's connection. */
class RemoteMachine implements Machine {
  readonly name: string;
  readonly #identity: MachineIdentity;
  readonly #connection: Connection;
  readonly bundle?: readonly string[];
  readonly #facts: Environment;
  #disposed: Promise<void> | null = null;

  constructor(identity: MachineIdentity, connection: Connection, { bundle, facts = {} }: AgentTransport) {
    this.name = identity.host;
    if (bundle !== undefined) this.bundle = bundle;
    this.#facts = facts;
    this.#identity = identity;
    this.#connection = connection;
  }

  apply(steps: readonly Step[]): Promise<Applied> {
    return this.#connection.request({ id: this.#id(), op: 'take', steps: [...steps] }, RESULTS.take);
  }

  undo(mark = 0): Promise<Undone> {
    return this.#connection.request({ id: this.#id(), op: 'undo', mark }, RESULTS.undo);
  }

  async start(step: Step): Promise<RunningProcess> {
    const lines = new LineQueue();
    const exit = deferred<Exit>();
    const id = this.#connection.newId({
      line: (line) => (line === null ? lines.end() : lines.push(line)),
      exit: exit.resolve,
    });
    const { pid } = await this.#connection.request({ id, op: 'start', step }, RESULTS.start);
    return {
      name: step.do.kind === 'process' ? step.do.name : '',
      pid,
      exited: exit.promise,
      readLine: (signal) => lines.read(signal),
      writeLine: async (line) => {
        await this.#connection.request({ id: this.#id(), op: 'write', process: id, line }, RESULTS.nothing);
      },
      [Symbol.asyncDispose]: async () => {
        await this.#connection.request({ id: this.#id(), op: 'end', process: id }, RESULTS.nothing);
      },
    };
  }

  run(argv: readonly string[], options: RunOptions = {}): Promise<RunResult> {
    return this.#connection.request({ id: this.#id(), op: 'run', argv: [...argv], options }, RESULTS.run);
  }

  readFiles(paths: readonly string[]): Promise<FilesRead> {
    return this.#connection.request(
      { id: this.#id(), op: 'readFiles', paths: [...paths] },
      RESULTS.readFiles,
    );
  }

  probe(features: readonly Feature[]): Promise<readonly ProbeResult[]> {
    return this.#connection.request({ id: this.#id(), op: 'probe', features: [...features] }, RESULTS.probe);
  }

  async environment(): Promise<Environment> {
    const told = await this.#connection.request({ id: this.#id(), op: 'environment' }, RESULTS.environment);
    return { ...told, ...this.#facts };
  }

  /** Throws `undo-failed` with what is still there. */
  async [Symbol.asyncDispose](): Promise<void> {
    this.#disposed ??= this.#dispose();
    await this.#disposed;
  }

  async #dispose(): Promise<void> {
    const lost = await this.#connection.close();
    // The agent undoes its steps before it ends. One that was killed could not: its journal is here, and so are its steps.
    if (lost !== null) await undoJournalOf(this.#identity);
  }

  #id(): number {
    return this.#connection.newId();
  }
}

interface Deferred<T> {
  readonly promise: Promise<T>;
  readonly resolve: (value: T) => void;
}

function deferred<T>(): Deferred<T> {
  let resolve: (value: T) => void = () => undefined;
  const promise = new Promise<T>((settle) => (resolve = settle));
  return { promise, resolve };
}
