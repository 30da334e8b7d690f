import { createInterface, type Interface } from 'node:readline';
import { bug } from '../schema/index.js';
import { openMachine } from './engine.js';
import { lockMachine } from './lock.js';
import {
  anyHelloSchema,
  clientHelloSchema,
  HELLO,
  PROTOCOL,
  protocolError,
  requestSchema,
  toFailure,
  type Request,
} from './protocol.js';
import { undoAll } from './recovery.js';
import type { Machine, RunningProcess } from './types.js';
import { version } from './version.js';

/**
 * The agent: serves the machine that it runs on over its standard input and output, one JSON value a line. When the input
 * ends, and on SIGHUP and SIGTERM, it undoes its steps and resolves. SIGINT is the study's to answer: the terminal sends
 * Ctrl-C to all of its processes at once. Rejects with `undo-failed`, or with `agent-protocol` before it does anything.
 */
export async function serveAgent(): Promise<void> {
  process.on('SIGINT', () => undefined);
  // A study that is gone does not read: the end of the input tells that.
  process.stdout.on('error', () => undefined);
  const lines = createInterface({ input: process.stdin, crlfDelay: Infinity });
  for (const signal of ['SIGHUP', 'SIGTERM'] as const) process.on(signal, () => lines.close());
  await serveLines(lines);
}

async function serveLines(lines: Interface): Promise<void> {
  let session: Session | null = null;
  try {
    for await (const line of lines) {
      if (session === null) session = await greet(line);
      else void session.answer(line);
    }
  } finally {
    await session?.close();
  }
}

async function greet(line: string): Promise<Session> {
  const value: unknown = JSON.parse(line);
  const caller = anyHelloSchema.parse(value).hello;
  const ours = { protocol: PROTOCOL, version: version(), pid: process.pid };
  if (caller.protocol !== ours.protocol || caller.version !== ours.version) {
    // So that the other side can name both versions too.
    say({ hello: ours });
    throw protocolError(
      `The agent is Barewire ${ours.version} with protocol ${ours.protocol}, its caller ${caller.version} with protocol ${caller.protocol}`,
    );
  }
  const { alone, run, host, netns } = clientHelloSchema.parse(value).hello;
  const lock = alone ? await takeOver(run).catch(refuse) : null;
  say({ hello: ours });
  return new Session(await openMachine({ run, host, netns }), lock);
}

/** Makes the machine this run's alone, as it was before runs that ended without putting it back. */
async function takeOver(run: string): Promise<AsyncDisposable> {
  const lock = await lockMachine(`run ${run} of another machine`);
  await undoAll();
  return lock;
}

/** In the place of a hello: it is the answer to nothing that was asked. */
function refuse(error: unknown): never {
  say({ id: HELLO, error: toFailure(error) });
  throw error;
}

/** One connection's machine and the processes that it started. */
class Session {
  readonly #machine: Machine;
  readonly #lock: AsyncDisposable | null;
  readonly #processes = new Map<number, RunningProcess>();

  constructor(machine: Machine, lock: AsyncDisposable | null) {
    this.#machine = machine;
    this.#lock = lock;
  }

  async answer(line: string): Promise<void> {
    let id = 0;
    try {
      const request = requestSchema.parse(JSON.parse(line));
      id = request.id;
      say({ id, result: (await this.#do(request)) ?? null });
      if (request.op === 'start') this.#forward(id);
    } catch (error) {
      say({ id, error: toFailure(error) });
    }
  }

  async close(): Promise<void> {
    try {
      await this.#machine[Symbol.asyncDispose]();
    } finally {
      await this.#lock?.[Symbol.asyncDispose]();
    }
  }

  async #do(request: Request): Promise<unknown> {
    switch (request.op) {
      case 'take':
        return this.#machine.apply(request.steps);
      case 'undo':
        return this.#machine.undo(request.mark);
      case 'start': {
        const started = await this.#machine.start(request.step);
        this.#processes.set(request.id, started);
        return { pid: started.pid };
      }
      case 'write':
        return this.#process(request.process).writeLine(request.line);
      case 'end':
        return this.#process(request.process)[Symbol.asyncDispose]();
      case 'run':
        return this.#machine.run(request.argv, request.options);
      case 'readFiles':
        return this.#machine.readFiles(request.paths);
      case 'probe':
        return this.#machine.probe(request.features);
      case 'environment':
        return this.#machine.environment();
    }
  }

  #process(id: number): RunningProcess {
    const found = this.#processes.get(id);
    if (found !== undefined) return found;
    throw bug(`No process was started by request ${id}`);
  }

  #forward(id: number): void {
    const started = this.#process(id);
    void forwardLines(id, started);
    void started.exited.then((exit) => say({ process: id, exit }));
  }
}

async function forwardLines(id: number, started: RunningProcess): Promise<void> {
  for (;;) {
    const line = await started.readLine();
    say({ process: id, line });
    if (line === null) return;
  }
}

function say(message: object): void {
  process.stdout.write(`${JSON.stringify(message)}\n`);
}
