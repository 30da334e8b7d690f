import { createInterface } from 'node:readline';
import * as z from 'zod';
import { BarewireError, loadPlanSchema } from '../schema/index.js';
import { sendable } from './errors.js';
import { runLoad } from './run.js';
import { checkTarget } from './target.js';

/** One line of the generator's standard input. */
const requestSchema = z.union([
  z.object({ check: loadPlanSchema.pick({ target: true, expect: true }) }),
  z.object({ run: loadPlanSchema }),
]);

/**
 * The generator process of a trial: a JSON line on standard input is answered by one on standard output (a run has two
 * more before it, for the edges of its window). It ends with its input, in mid-run too: who lost it wants no load.
 */
export async function serveGenerator(): Promise<void> {
  const ended = new AbortController();
  let last = Promise.resolve();
  const lines = createInterface({ input: process.stdin });
  lines.on('line', (line) => {
    last = last.then(() => answer(line, ended.signal));
  });
  // A pipe that nobody reads any more is as good as the end of the input.
  process.stdout.on('error', () => lines.close());
  await new Promise((resolve) => lines.once('close', resolve));
  ended.abort();
  await last;
}

async function answer(line: string, signal: AbortSignal): Promise<void> {
  try {
    const request = requestOf(line);
    if ('check' in request) write({ checked: await checkTarget(request.check.target, request.check.expect) });
    else {
      const onWindow = (edge: 'open' | 'close'): void => write({ window: edge });
      write({ result: await runLoad(request.run, { signal, onWindow }) });
    }
  } catch (error) {
    write({ error: sendable(error) });
  }
}

function requestOf(line: string): z.infer<typeof requestSchema> {
  try {
    return requestSchema.parse(JSON.parse(line));
  } catch (cause) {
    throw new BarewireError(`The generator was asked what it does not know: ${line.slice(0, 200)}`, {
      code: 'agent-protocol',
      fault: 'bug',
      cause,
    });
  }
}

const write = (message: unknown): void => void process.stdout.write(`${JSON.stringify(message)}\n`);
