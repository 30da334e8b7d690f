import * as z from 'zod';
import { bundlePath, type Machine, type RunningProcess } from '../machine/index.js';
import {
  BarewireError,
  loadResultSchema,
  type LoadPlan,
  type LoadResult,
  type Step,
} from '../schema/index.js';
import { received, type SentError } from './errors.js';
import type { RunLoadOptions } from './run.js';
import type { CheckedTarget } from './target.js';

/** A generator process on a host, for one trial. Disposing ends it, in mid-run too. */
export interface Generator extends AsyncDisposable {
  readonly pid: number;
  /** One request before any load; throws `load-failed` when it is not answered as expected. */
  check(target: LoadPlan['target'], expect: LoadPlan['expect']): Promise<CheckedTarget>;
  run(plan: LoadPlan, options?: RunLoadOptions): Promise<LoadResult>;
}

export interface GeneratorRequest {
  /** The run's id. */
  readonly run: string;
  /** The namespace that it asks from; null is the host's own. */
  readonly netns: string | null;
  /** The CPUs that the process may use; its threads are pinned by the plan of each run. */
  readonly cpus: readonly number[];
}

/** One line of the generator's standard output. */
const replySchema = z.union([
  z.object({ window: z.enum(['open', 'close']) }),
  z.object({
    checked: z.object({ status: z.number(), headerBytes: z.number(), bodyBytes: z.number() }),
  }),
  z.object({ result: loadResultSchema }),
  z.object({ error: z.custom<SentError>((value) => typeof value === 'object' && value !== null) }),
]);
type Reply = z.infer<typeof replySchema>;

export async function openGenerator(machine: Machine, request: GeneratorRequest): Promise<Generator> {
  const running = await machine.start(generatorStep(machine, request));
  return {
    pid: running.pid,
    check: async (target, expect) => {
      const reply = await ask(running, { check: { target, expect } }, {});
      if ('checked' in reply) return reply.checked;
      throw unexpected(reply);
    },
    run: async (plan, options = {}) => {
      const reply = await ask(running, { run: plan }, options);
      if ('result' in reply) return reply.result;
      throw unexpected(reply);
    },
    [Symbol.asyncDispose]: () => running[Symbol.asyncDispose](),
  };
}

const generatorStep = ({ bundle }: Machine, { netns, cpus }: GeneratorRequest): Step => ({
  why: 'The load generator',
  do: {
    kind: 'process',
    name: 'generator',
    netns,
    argv: [...(bundle ?? [process.execPath, bundlePath()]), 'generator'],
    cpus,
  },
  undo: { kind: 'process', name: 'generator' },
});

async function ask(running: RunningProcess, message: unknown, options: RunLoadOptions): Promise<Reply> {
  await running.writeLine(JSON.stringify(message));
  for (;;) {
    const reply = await nextReply(running, options.signal);
    if ('error' in reply) throw received(reply.error);
    if (!('window' in reply)) return reply;
    options.onWindow?.(reply.window);
  }
}

async function nextReply(running: RunningProcess, signal: AbortSignal | undefined): Promise<Reply> {
  const line = await running.readLine(signal);
  if (line === null) throw await ended(running);
  const parsed = replySchema.safeParse(parseJson(line));
  if (parsed.success) return parsed.data;
  throw new BarewireError(`The generator said what is no reply: ${line.slice(0, 200)}`, {
    code: 'agent-protocol',
    fault: 'bug',
    cause: parsed.error,
  });
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
  return new BarewireError(
    `The generator (pid ${running.pid}) ended by ${signal ?? `exit status ${code}`}: ${stderrTail}`,
    { code: 'process-failed', fault: 'machine', hint: 'Its last words above say why.' },
  );
}

const unexpected = (reply: Reply): BarewireError =>
  new BarewireError(`The generator replied to something else: ${Object.keys(reply).join()}`, {
    code: 'agent-protocol',
    fault: 'bug',
  });
