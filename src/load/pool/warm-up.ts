import { once } from 'node:events';
import { createServer, type AddressInfo, type Server, type Socket } from 'node:net';
import type { LoadPlan } from '../../schema/index.js';
import type { WorkerPool } from './worker-pool.js';
import { runInPool } from './run.js';

/** For each kind of load: of a study, whose slices are short, and of a single load, where it counts as overhead. */
const WARM_MS = { study: 400, load: 200 } as const;
const BODY_BYTES = 100;
const RESPONSE = `HTTP/1.1 200 OK\r\nContent-Length: ${BODY_BYTES}\r\n\r\n${'x'.repeat(BODY_BYTES)}`;
const RATE_RPS = 20_000;

/** How a load paces its requests; each kind has a hot path of its own. */
export type Pacing = 'closed' | Extract<LoadPlan['mode'], { kind: 'open' }>['arrival'];

export const pacingOf = ({ mode }: Pick<LoadPlan, 'mode'>): Pacing =>
  mode.kind === 'closed' ? mode.kind : mode.arrival;

/**
 * Loads a server on loopback for a while, so that V8 has compiled the hot path of these kinds of load before anything is
 * measured. Its compiler threads share the load's CPU, and took 2 to 4 % of the first seconds, in slices of
 * up to 4 ms.
 */
export async function warmUp(
  pool: WorkerPool,
  threads: number,
  pacings: readonly Pacing[],
  purpose: keyof typeof WARM_MS = 'study',
): Promise<void> {
  const server = await listenOnLoopback();
  // In a namespace whose loopback interface is down the first load compiles it; the self-check reports what that disturbs.
  if (server === null) return;
  try {
    for (const pacing of pacings) {
      const mode: LoadPlan['mode'] =
        pacing === 'closed' ? { kind: pacing } : { kind: 'open', rateRps: RATE_RPS, arrival: pacing };
      await runInPool(
        pool,
        { ...planFor(server, threads, mode), durationMs: WARM_MS[purpose] },
        { busyPolls: true },
      );
    }
  } finally {
    server.close();
  }
}

async function listenOnLoopback(): Promise<Server | null> {
  const server = createServer(respond).listen(0, '127.0.0.1');
  try {
    await once(server, 'listening');
    return server;
  } catch {
    return null;
  }
}

function respond(socket: Socket): void {
  socket.setNoDelay(true);
  // A connection sends its next request only after a response, so all data is one request.
  socket.on('data', () => socket.write(RESPONSE));
  socket.on('error', () => socket.destroy());
}

const planFor = (server: Server, threads: number, mode: LoadPlan['mode']): Omit<LoadPlan, 'durationMs'> => ({
  target: {
    address: '127.0.0.1',
    port: (server.address() as AddressInfo).port,
    path: '/',
    host: 'localhost',
  },
  expect: { status: 200, bodyBytes: BODY_BYTES },
  mode,
  connections: 32 * threads,
  threads,
  // Unpinned threads have normal priority, so that the server and the compiler get CPU time.
  cpus: [],
  warmupMs: 0,
  timeoutMs: 100,
  seed: 1,
});
