import { createInterface } from 'node:readline';
import { HEARTBEAT, RpcServer } from '../rpc/index.js';
import { bug } from '../schema/index.js';
import { AGENT_PROTOCOL } from './agent-protocol.js';
import { openMachine } from './engine.js';
import { lockMachine } from './lock.js';
import { undoAll } from './recovery.js';
import type { Machine, RunningProcess } from './types.js';
import { version } from './installation.js';

/**
 * Serves the machine that it runs on over standard input and output. When the input ends, the client is silent, or on SIGHUP
 * and SIGTERM, it undoes its steps and resolves. It ignores SIGINT: the terminal sends Ctrl-C to all processes of a study at
 * once, and the study handles it. Rejects with `undo-failed`, or with `agent-protocol` before it has changed anything.
 */
export async function serveAgent(): Promise<void> {
  process.on('SIGINT', () => undefined);
  // A client that is gone does not read; the end of the input follows.
  process.stdout.on('error', () => undefined);
  const lines = createInterface({ input: process.stdin, crlfDelay: Infinity });
  for (const signal of ['SIGHUP', 'SIGTERM'] as const) process.on(signal, () => lines.close());
  await using session = new AgentSession();
  session.server.startWatch(HEARTBEAT, () => lines.close());
  for await (const line of lines) session.server.receive(line);
  session.server.stopWatch();
}

/** One client's machine and the processes that it started. Disposing undoes its steps. */
class AgentSession implements AsyncDisposable {
  readonly server: RpcServer<typeof AGENT_PROTOCOL>;
  #opening: Promise<Machine> | null = null;
  #lock: AsyncDisposable | null = null;
  #disposed: Promise<void> | null = null;
  readonly #processes = new Map<number, RunningProcess>();

  constructor() {
    this.server = new RpcServer(AGENT_PROTOCOL, {
      version: version(),
      write: (line) => process.stdout.write(`${line}\n`),
      handlers: {
        open: async ({ standalone, unprivileged, ...identity }) => {
          this.#opening = this.#open(standalone, unprivileged, identity);
          await this.#opening;
          return { pid: process.pid };
        },
        apply: async ({ steps }) => (await this.#machine()).apply(steps),
        undo: async ({ mark, steps }) => (await this.#machine()).undo(mark, steps),
        start: async ({ process: id, step }) => {
          const started = await (await this.#machine()).start(step);
          this.#processes.set(id, started);
          void this.#forward(id, started);
          return { pid: started.pid };
        },
        write: async ({ process: id, line }) => {
          await this.#process(id).writeLine(line);
          return null;
        },
        stop: async ({ process: id }) => {
          await this.#process(id)[Symbol.asyncDispose]();
          return null;
        },
        run: async ({ argv, options }) => (await this.#machine()).run(argv, options),
        readFiles: async ({ paths }) => (await this.#machine()).readFiles(paths),
        probe: async ({ features }) => [...(await (await this.#machine()).probe(features))],
        verify: async () => [...(await (await this.#machine()).verify())],
        keep: async ({ label }) => {
          await (await this.#machine()).keep(label);
          return null;
        },
        listKept: async () => [...(await (await this.#machine()).listKept())],
        undoKept: async () => [...(await (await this.#machine()).undoKept())],
        environment: async () => (await this.#machine()).environment(),
        close: async () => {
          await this[Symbol.asyncDispose]();
          return null;
        },
      },
    });
  }

  /** A standalone host is locked, and restored from runs that ended without undoing their steps. */
  async #open(
    standalone: boolean,
    unprivileged: boolean,
    identity: { readonly run: string; readonly host: string; readonly netns: string | null },
  ): Promise<Machine> {
    if (standalone) {
      this.#lock = await lockMachine(`run ${identity.run} of another machine`);
      await undoAll();
    }
    return openMachine(identity, { unprivileged });
  }

  #machine(): Promise<Machine> {
    if (this.#opening !== null) return this.#opening;
    throw bug('the agent was used before it was opened');
  }

  #process(id: number): RunningProcess {
    const found = this.#processes.get(id);
    if (found !== undefined) return found;
    throw bug(`no process ${id} was started`);
  }

  async #forward(id: number, started: RunningProcess): Promise<void> {
    void started.exited.then((exit) => this.server.emit('exit', { process: id, exit }));
    for (;;) {
      const line = await started.readLine();
      this.server.emit('line', { process: id, line });
      if (line === null) return;
    }
  }

  [Symbol.asyncDispose](): Promise<void> {
    this.#disposed ??= this.#dispose();
    return this.#disposed;
  }

  async #dispose(): Promise<void> {
    try {
      const machine = await this.#opening?.catch(() => null);
      await machine?.[Symbol.asyncDispose]();
    } finally {
      await this.#lock?.[Symbol.asyncDispose]();
    }
  }
}
