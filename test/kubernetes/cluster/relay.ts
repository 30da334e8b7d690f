import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { createServer, type AddressInfo } from 'node:net';
import { join } from 'node:path';
import { API_SERVER } from './addresses.js';
import { inNamespacesOf } from './daemon.js';

/**
 * Returns a port of 127.0.0.1 of this machine that leads to the API server. It closes when the namespaces of `pid`
 * end.
 */
export async function startRelay(pid: number): Promise<number> {
  const server = createServer().listen(0, '127.0.0.1');
  await once(server, 'listening');
  const { port } = server.address() as AddressInfo;
  const script = join(import.meta.dirname, 'relay.mjs');
  const target = [API_SERVER.address, String(API_SERVER.port)];
  const [program, ...args] = inNamespacesOf(pid, [process.execPath, script, ...target]);
  const relay = spawn(program ?? '', args, { stdio: ['ignore', 'ignore', 'inherit', 'ipc'], detached: true });
  const accepting = once(relay, 'message');
  relay.send('accept', server);
  await accepting;
  server.close();
  relay.unref();
  relay.channel?.unref();
  return port;
}
