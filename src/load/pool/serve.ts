import { createInterface } from 'node:readline';
import { version } from '../../machine/index.js';
import { RpcServer } from '../../rpc/index.js';
import { WorkerPool } from './worker-pool.js';
import { GENERATOR_PROTOCOL } from './generator-protocol.js';
import { runInPool } from './run.js';
import { warmUp } from './warm-up.js';

/**
 * The generator process of a study. Its threads are kept from run to run and enter the namespace of each run. It exits when its
 * input ends, also during a run. It has no heartbeat, which would wake this process during a slice: the agent that started it
 * supervises it, and a pipe between two processes of one host does not go silent.
 */
export async function serveGenerator(): Promise<void> {
  const ended = new AbortController();
  await using pool = new WorkerPool();
  let last: Promise<unknown> = Promise.resolve();
  const inOrder = <T>(work: () => Promise<T>): Promise<T> => {
    const result = last.then(work, work);
    last = result.catch(() => undefined);
    return result;
  };
  const server = new RpcServer(GENERATOR_PROTOCOL, {
    version: version(),
    write: (line) => process.stdout.write(`${line}\n`),
    handlers: {
      warmUp: ({ threads, pacings }) =>
        inOrder(async () => {
          await warmUp(pool, threads, pacings);
          return null;
        }),
      // A worker sends the request, because it can enter a namespace alone.
      check: ({ netns, target, expect }) =>
        inOrder(() => pool.workers(1)[0]!.check({ kind: 'check', netns, target, expect })),
      run: ({ plan, netns, keep }) =>
        inOrder(() =>
          runInPool(pool, plan, {
            netns,
            keep,
            signal: ended.signal,
            onWindow: (edge) => server.emit('window', edge),
            onReading: (reading) => server.emit('reading', reading),
          }),
        ),
    },
  });
  const lines = createInterface({ input: process.stdin, crlfDelay: Infinity });
  // A closed output means the same as the end of the input.
  process.stdout.on('error', () => lines.close());
  lines.on('line', (line) => server.receive(line));
  await new Promise((resolve) => lines.once('close', resolve));
  ended.abort();
  await last;
}
