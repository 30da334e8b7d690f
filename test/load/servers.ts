import { spawn, type ChildProcess } from 'node:child_process';
import { once } from 'node:events';
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { connect, createServer, type AddressInfo, type Socket } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import type { LoadPlan } from '../../src/schema/index.js';

/** A plan for tests: short, on no CPU in particular. */
export const planFor = (port: number, changes: Partial<LoadPlan> = {}): LoadPlan => ({
  target: { address: '127.0.0.1', port, path: '/f', host: '127.0.0.1' },
  expect: { status: 200, bodyBytes: 100 },
  mode: { kind: 'open', rateRps: 1000, arrival: 'constant' },
  connections: 8,
  threads: 1,
  cpus: [],
  warmupMs: 100,
  durationMs: 500,
  timeoutMs: 300,
  seed: 1,
  ...changes,
});

export async function freePort(): Promise<number> {
  const server = createServer().listen(0, '127.0.0.1');
  await once(server, 'listening');
  const { port } = server.address() as AddressInfo;
  server.close();
  await once(server, 'close');
  return port;
}

export interface Nginx extends AsyncDisposable {
  readonly port: number;
  readonly process: ChildProcess & { readonly pid: number };
}

/** One process, with `/f` of 100 bytes, `/4k` of 4,096 and `/big` of 300,000. */
export async function startNginx(port?: number, workers = 0): Promise<Nginx> {
  const dir = await mkdtemp(join(tmpdir(), 'barewire-nginx-'));
  const listen = port ?? (await freePort());
  for (const [name, bytes] of [
    ['f', 100],
    ['4k', 4096],
    ['big', 300_000],
  ] as const)
    await writeFile(join(dir, name), 'x'.repeat(bytes));
  await writeFile(join(dir, 'nginx.conf'), nginxConfig(dir, listen, workers));
  const child = spawn('nginx', ['-p', dir, '-c', join(dir, 'nginx.conf'), '-e', join(dir, 'error.log')]);
  await responding(listen);
  return {
    port: listen,
    process: child as Nginx['process'],
    [Symbol.asyncDispose]: async () => {
      // With workers the master has to end them; alone it would not do so while it is stopped.
      child.kill(workers === 0 ? 'SIGKILL' : 'SIGTERM');
      if (child.exitCode === null && child.signalCode === null) await once(child, 'exit');
      await rm(dir, { recursive: true, force: true });
    },
  };
}

/** Workers share the connections evenly: each has a queue of its own. Without them nginx is one process. */
const nginxConfig = (dir: string, port: number, workers: number): string => `
daemon off; ${workers === 0 ? 'master_process off' : `worker_processes ${workers}`}; user root;
pid ${dir}/nginx.pid; error_log ${dir}/error.log; events { worker_connections 18000; }
http {
  access_log off; keepalive_requests 1000000; keepalive_timeout 600s; sendfile on; tcp_nodelay on;
  client_body_temp_path ${dir}/a; proxy_temp_path ${dir}/b; fastcgi_temp_path ${dir}/c;
  uwsgi_temp_path ${dir}/d; scgi_temp_path ${dir}/e;
  server {
    listen 127.0.0.1:${port} backlog=4096 ${workers === 0 ? '' : 'reuseport'}; root ${dir};
    location = /once { keepalive_requests 1; alias ${dir}/f; }
    location = /differing { add_header X-Request $request_id; alias ${dir}/f; }
    location = /thousand { keepalive_requests 1000; alias ${dir}/f; }
  }
}`;

async function responding(port: number): Promise<void> {
  for (let attempt = 0; attempt < 500; attempt++) {
    const socket = connect(port, '127.0.0.1');
    const open = await once(socket, 'connect').then(
      () => true,
      () => false,
    );
    socket.destroy();
    if (open) return;
    await sleep(10);
  }
  throw new Error(`nothing listens on port ${port}`);
}

export interface FaultyServer extends AsyncDisposable {
  readonly port: number;
  readonly connections: number;
}

/** A server that does with each connection what the test says. */
export async function faultyServer(serve: (socket: Socket, number: number) => void): Promise<FaultyServer> {
  const open = new Set<Socket>();
  let connections = 0;
  const server = createServer({ noDelay: true }, (socket) => {
    open.add(socket);
    socket.on('error', () => undefined).on('close', () => open.delete(socket));
    serve(socket, connections++);
  }).listen(0, '127.0.0.1', 1024);
  await once(server, 'listening');
  return {
    port: (server.address() as AddressInfo).port,
    get connections() {
      return connections;
    },
    [Symbol.asyncDispose]: async () => {
      for (const socket of open) socket.destroy();
      server.close();
      await once(server, 'close');
    },
  };
}

/** Answers each request with the same bytes. */
export const respondToAll =
  (answer: string | Uint8Array) =>
  (socket: Socket): void =>
    void socket.on('data', (request) => {
      for (let requests = count(request); requests > 0; requests--) socket.write(answer);
    });

const count = (request: Buffer): number => request.toString('latin1').split('\r\n\r\n').length - 1;

export const okResponse = (bodyBytes = 100, headers = ''): string =>
  `HTTP/1.1 200 OK\r\n${headers}Content-Length: ${bodyBytes}\r\n\r\n${'x'.repeat(bodyBytes)}`;
