import { createInterface } from 'node:readline';
import * as z from 'zod';
import { loadPlanSchema, type LoadPlan, type LoadReading, machineError } from '../../schema/index.js';
import { WorkerPool } from './crew.js';
import { sendable } from '../errors.js';
import type { Reply } from './generator.js';
import { warmUp } from './warm-up.js';
import { runInPool } from './run.js';
import type { CheckedTarget } from '../engine/target.js';

/** One line of the generator's standard input. */
const netns = z.string().nullable().default(null);
const requestSchema = z.union([
  z.object({ rehearse: z.object({ threads: z.number().int().positive() }) }),
  z.object({ check: loadPlanSchema.pick({ target: true, expect: true }), netns }),
  z.object({ run: loadPlanSchema, netns }),
]);

/**
 * The generator process of a study: a JSON line on standard input is answered by one on standard output (a run has two
 * more before it, for the edges of its window). Its threads are kept from run to run, and enter the namespace that each is
 * made from. It ends with its input, in mid-run too: who lost it wants no load.
 */
export async function serveGenerator(): Promise<void> {
  const ended = new AbortController();
  await using crew = new WorkerPool();
  let last = Promise.resolve();
  const lines = createInterface({ input: process.stdin });
  lines.on('line', (line) => {
    last = last.then(() => answer(crew, line, ended.signal));
  });
  // A pipe that nobody reads any more is as good as the end of the input.
  process.stdout.on('error', () => lines.close());
  await new Promise((resolve) => lines.once('close', resolve));
  ended.abort();
  await last;
}

async function answer(crew: WorkerPool, line: string, signal: AbortSignal): Promise<void> {
  try {
    write(await replyTo(crew, requestOf(line), signal));
  } catch (error) {
    write({ error: sendable(error) });
  }
}

async function replyTo(
  crew: WorkerPool,
  request: z.infer<typeof requestSchema>,
  signal: AbortSignal,
): Promise<Reply> {
  if ('rehearse' in request) {
    await warmUp(crew, request.rehearse.threads);
    return { rehearsed: true };
  }
  if ('check' in request) return { checked: await checkFrom(crew, request.netns, request.check) };
  const onWindow = (edge: 'open' | 'close'): void => write({ window: edge });
  const onReading = (reading: LoadReading): void => write({ reading });
  const options = { signal, onWindow, onReading, netns: request.netns };
  return { result: await runInPool(crew, request.run, options) };
}

/** A thread asks, because it can enter a namespace while this one goes on. */
function checkFrom(
  crew: WorkerPool,
  netns: string | null,
  check: Pick<LoadPlan, 'target' | 'expect'>,
): Promise<CheckedTarget> {
  const [member] = crew.members(1);
  if (member === undefined) throw new RangeError('a crew of one has a member');
  return member.check({ kind: 'check', netns, ...check });
}

function requestOf(line: string): z.infer<typeof requestSchema> {
  try {
    return requestSchema.parse(JSON.parse(line));
  } catch (cause) {
    throw machineError(
      'agent-protocol',
      `Invalid request to the generator: ${line.slice(0, 200)}`,
      'Install the same Barewire version on both sides.',
      cause,
    );
  }
}

const write = (message: Reply): void => void process.stdout.write(`${JSON.stringify(message)}\n`);
