import * as z from 'zod';
import { bundlePath, type Machine, type RunningProcess } from '../../machine/index.js';
import {
  BarewireError,
  loadReadingSchema,
  loadResultSchema,
  type LoadPlan,
  type LoadResult,
  type Step,
  machineError,
} from '../../schema/index.js';
import { received, type SentError } from '../errors.js';
import type { PoolRunOptions } from './run.js';
import type { CheckedTarget } from '../engine/target.js';

/**
 * The generator of a host: one process for all slices of a restart, because its code is only fast once V8 has compiled it, and
 * another one for the next restart, because each start settles at another speed. Disposing ends it, in mid-run too.
 */
export class GeneratorProcess implements AsyncDisposable {
  readonly #machine: Machine;
  readonly #cpus: readonly number[];
  #running: RunningProcess | null = null;
  #hasEnded = false;
  #restart = 0;

  /** `cpus` are those that the process may use; its threads are pinned by the plan of each run. */
  constructor(machine: Machine, cpus: readonly number[]) {
    this.#machine = machine;
    this.#cpus = cpus;
  }

  /** Starts it when it does not run for that restart, and lets it rehearse. Before the steps of a slice, which it outlives. */
  async ready(restart: number): Promise<void> {
    if (this.#running !== null && !this.#hasEnded && this.#restart === restart) return;
    await this.end();
    this.#restart = restart;
    this.#running = await this.#machine.start(generatorStep(this.#machine, this.#cpus));
    this.#hasEnded = false;
    void this.#running.exited.then(() => (this.#hasEnded = true));
    const reply = await ask(this.#running, { rehearse: { threads: Math.max(1, this.#cpus.length) } }, {});
    if ('error' in reply) throw received(reply.error);
  }

  /** The generator in a namespace of the host, by name; null is the host's own. Only when it is ready. */
  from(netns: string | null): Generator {
    if (this.#running === null) throw new RangeError('the generator was not started');
    return generatorIn(this.#running, netns, () => this.end());
  }

  /** An agent that is lost has ended its processes by itself. */
  async end(): Promise<void> {
    const running = this.#running;
    this.#running = null;
    try {
      await running?.[Symbol.asyncDispose]();
    } catch (error) {
      if (!(error instanceof BarewireError) || error.code !== 'agent-lost') throw error;
    }
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.end();
  }
}

/** Where a load is made from. Disposing while a load is under way ends the process. */
export interface Generator extends AsyncDisposable {
  readonly pid: number;
  /** One request before any load; throws `load-failed` when it is not answered as expected. */
  check(target: LoadPlan['target'], expect: LoadPlan['expect']): Promise<CheckedTarget>;
  run(plan: LoadPlan, options?: Omit<PoolRunOptions, 'netns'>): Promise<LoadResult>;
}

/** One line of the generator's standard output. */
const replySchema = z.union([
  z.object({ rehearsed: z.literal(true) }),
  z.object({ window: z.enum(['open', 'close']) }),
  z.object({ reading: loadReadingSchema }),
  z.object({
    checked: z.object({ status: z.number(), headerBytes: z.number(), bodyBytes: z.number() }),
  }),
  z.object({ result: loadResultSchema }),
  z.object({ error: z.custom<SentError>((value) => typeof value === 'object' && value !== null) }),
]);
export type Reply = z.infer<typeof replySchema>;

function generatorIn(running: RunningProcess, netns: string | null, end: () => Promise<void>): Generator {
  let isBusy = false;
  const askFor = async (message: object, options: PoolRunOptions): Promise<Reply> => {
    isBusy = true;
    const reply = await ask(running, { ...message, netns }, options);
    isBusy = false;
    if ('error' in reply) throw received(reply.error);
    return reply;
  };
  return {
    pid: running.pid,
    check: async (target, expect) => {
      const reply = await askFor({ check: { target, expect } }, {});
      if ('checked' in reply) return reply.checked;
      throw unexpected(reply);
    },
    run: async (plan, options = {}) => {
      const reply = await askFor({ run: plan }, options);
      if ('result' in reply) return reply.result;
      throw unexpected(reply);
    },
    [Symbol.asyncDispose]: () => (isBusy ? end() : Promise.resolve()),
  };
}

const generatorStep = ({ bundle }: Machine, cpus: readonly number[]): Step => ({
  why: 'The load generator',
  do: {
    kind: 'process',
    name: 'generator',
    netns: null,
    argv: [...(bundle ?? [process.execPath, bundlePath()]), 'generator'],
    cpus,
  },
  undo: { kind: 'process', name: 'generator' },
});

async function ask(running: RunningProcess, message: unknown, options: PoolRunOptions): Promise<Reply> {
  await running.writeLine(JSON.stringify(message));
  for (;;) {
    const reply = await nextReply(running, options.signal);
    if ('window' in reply) options.onWindow?.(reply.window);
    else if ('reading' in reply) options.onReading?.(reply.reading);
    else return reply;
  }
}

const SAME_VERSION = 'Install the same Barewire version on both sides.';

async function nextReply(running: RunningProcess, signal: AbortSignal | undefined): Promise<Reply> {
  const line = await running.readLine(signal);
  if (line === null) throw await ended(running);
  const parsed = replySchema.safeParse(parseJson(line));
  if (parsed.success) return parsed.data;
  throw machineError(
    'agent-protocol',
    `Invalid message from the generator: ${line.slice(0, 200)}`,
    SAME_VERSION,
    parsed.error,
  );
}

function parseJson(line: string): unknown {
  try {
    return JSON.parse(line);
  } catch {
    return null;
  }
}

async function ended(running: RunningProcess): Promise<BarewireError> {
  const { code, signal, stderrTail } = await running.exited;
  return machineError(
    'process-failed',
    `The generator (pid ${running.pid}) ended by ${signal ?? `exit status ${code}`}: ${stderrTail}`,
    'Its last words above say why.',
  );
}

const unexpected = (reply: Reply): BarewireError =>
  machineError(
    'agent-protocol',
    `Unexpected message from the generator: ${Object.keys(reply).join()}`,
    SAME_VERSION,
  );
