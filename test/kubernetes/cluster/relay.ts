import { once } from 'node:events';
import { createServer, type AddressInfo } from 'node:net';
import { join } from 'node:path';
import { API_SERVER } from './addresses.js';
import type { Namespaces } from './namespaces.js';

/** Returns a port of 127.0.0.1 of this machine that leads to the API server. */
export async function startRelay(namespaces: Namespaces): Promise<number> {
  const server = createServer().listen(0, '127.0.0.1');
  await once(server, 'listening');
  const { port } = server.address() as AddressInfo;
  const script = join(import.meta.dirname, 'relay.mjs');
  const target = [API_SERVER.address, String(API_SERVER.port)];
  const relay = namespaces.spawn(namespaces.pid, [process.execPath, script, ...target], {
    stdio: ['ignore', 'ignore', 'inherit', 'ipc'],
  });
  const accepting = once(relay, 'message');
  relay.send('accept', server);
  await accepting;
  server.close();
  return port;
}
