import { once } from 'node:events';
import { createServer, type AddressInfo, type Server, type Socket } from 'node:net';
import type { LoadPlan } from '../../schema/index.js';
import type { WorkerPool } from './worker-pool.js';
import { runInPool } from './run.js';

const BODY_BYTES = 100;
const RESPONSE = `HTTP/1.1 200 OK\r\nContent-Length: ${BODY_BYTES}\r\n\r\n${'x'.repeat(BODY_BYTES)}`;
const MODES: readonly LoadPlan['mode'][] = [
  { kind: 'closed' },
  { kind: 'open', rateRps: 20_000, arrival: 'constant' },
  { kind: 'open', rateRps: 20_000, arrival: 'poisson' },
];

/**
 * Loads a server on loopback for about a second, so that V8 has compiled the hot path before anything is
 * measured. Its compiler threads share the load's CPU, and took 2 to 4 % of the first seconds, in slices of
 * up to 4 ms.
 */
export async function warmUp(pool: WorkerPool, threads: number): Promise<void> {
  const server = await listenOnLoopback();
  // In a namespace whose loopback interface is down the first load compiles it; the self-check reports what that disturbs.
  if (server === null) return;
  try {
    for (const mode of MODES) await runInPool(pool, planFor(server, threads, mode), { busyPolls: true });
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

const planFor = (server: Server, threads: number, mode: LoadPlan['mode']): LoadPlan => ({
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
  durationMs: 300,
  timeoutMs: 100,
  seed: 1,
});
