import { once } from 'node:events';
import http from 'node:http';
import { text } from 'node:stream/consumers';
import { machineError, messageOf } from '../schema/index.js';
import { removeSocket } from '../machine/index.js';
import { printMetrics } from './metrics.js';
import type { NodeAgent } from './node.js';
import type { NodeStatus } from './node-types.js';

/** Where the agent listens: a unix socket for commands of this host, or an address for probes. */
export type Listening = { readonly socket: string } | { readonly host: string; readonly port: number };

/**
 * Serves `/healthz` (200 while the lease is confirmed, else 503) and `/metrics`; on the unix socket, which only root can open, also
 * `/status`, and `POST /stop`, which calls `onStop`.
 */
export async function serveNode(
  agent: NodeAgent,
  where: Listening,
  onStop: () => void,
): Promise<AsyncDisposable> {
  const isLocal = 'socket' in where;
  const server = http.createServer((request, response) => {
    const { method, url } = request;
    const answer = (status: number, body: string, type = 'text/plain'): void => {
      response.writeHead(status, { 'content-type': type }).end(body);
    };
    const status = agent.status();
    if (method === 'GET' && url === '/healthz')
      answer(
        status.leaseConfirmed ? 200 : 503,
        status.leaseConfirmed ? 'ok\n' : 'the lease is not confirmed\n',
      );
    else if (method === 'GET' && url === '/metrics')
      answer(200, printMetrics(status), 'text/plain; version=0.0.4');
    else if (isLocal && method === 'GET' && url === '/status')
      answer(200, JSON.stringify(status), 'application/json');
    else if (isLocal && method === 'POST' && url === '/stop') {
      response.on('finish', onStop);
      answer(202, '');
    } else answer(404, 'not found\n');
  });
  if (isLocal) {
    // The lock of the state folder excludes another agent.
    await removeSocket(where.socket);
    const mask = process.umask(0o077);
    server.listen(where.socket);
    process.umask(mask);
  } else server.listen(where.port, where.host);
  await once(server, 'listening');
  return {
    [Symbol.asyncDispose]: async () => {
      server.closeAllConnections();
      server.close();
      if (isLocal) await removeSocket(where.socket);
    },
  };
}

/**
 * Asks a running agent.
 *
 * @throws BarewireError `process-failed` when none runs
 */
export async function askNode(socket: string, method: 'GET' | 'POST', path: string): Promise<string> {
  const request = http.request({ socketPath: socket, method, path, timeout: 5_000 });
  try {
    request.end();
    const [response] = (await once(request, 'response')) as [http.IncomingMessage];
    return await text(response);
  } catch (error) {
    throw machineError(
      'process-failed',
      `No agent answers on ${socket}: ${messageOf(error)}`,
      'Start it: barewire node --etcd-endpoints http://HOST:2379',
      error,
    );
  }
}

export const askStatus = async (socket: string): Promise<NodeStatus> =>
  JSON.parse(await askNode(socket, 'GET', '/status')) as NodeStatus;
