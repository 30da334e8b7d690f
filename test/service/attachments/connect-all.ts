import { createSocket } from 'node:dgram';
import { text } from 'node:stream/consumers';
import { connect, createServer } from 'node:net';
import { setImmediate } from 'node:timers/promises';
import { enterNetns } from '../../../src/linux/index.js';
import type { Connection, ConnectionRequest } from './connections.js';

/** What runs in the guest: servers in all namespaces, and the connections between them that standard input lists. */
const { servers, connections, timeoutMs } = JSON.parse(await text(process.stdin)) as ConnectionRequest;
/** Port 81 is where translated connections end. */
const PORTS = [80, 81];

/** A socket is created after this turn of the loop, and keeps its namespace. */
async function inNamespace<T>(netns: string, work: () => T): Promise<T> {
  using _there = enterNetns(netns);
  const made = work();
  await setImmediate();
  return made;
}

const shown = (address: string | undefined): string => (address ?? '').replace('::ffff:', '');

for (const netns of servers)
  await inNamespace(netns, () => {
    for (const port of PORTS) {
      createServer((socket) => socket.on('error', () => undefined).end(shown(socket.remoteAddress))).listen(
        port,
      );
      const datagrams = createSocket('udp4');
      datagrams
        .on('message', (_, from) => datagrams.send(from.address, from.port, from.address))
        .bind(port, '0.0.0.0');
    }
  });

function overTcp(
  host: string,
  port: number,
  source: string | undefined,
  end: (result: string) => void,
): void {
  const socket = connect({ host, port, ...(source !== undefined && { localAddress: source }) });
  let answer = '';
  socket.on('data', (chunk) => (answer += String(chunk))).on('end', () => end(answer));
  socket.on('error', (error: NodeJS.ErrnoException) => end(error.code ?? error.message));
}

function overUdp(host: string, port: number, end: (result: string) => void): void {
  const socket = createSocket('udp4');
  socket
    .on('message', (answer, { address }) => end(address === host ? String(answer) : `answer of ${address}`))
    .on('error', (error) => end(error.message));
  socket.send('?', port, host);
}

const start = ({ to, source, udp }: Connection): Promise<string> =>
  new Promise((resolve) => {
    const [host = '', port = '80'] = to.split(':');
    setTimeout(() => resolve('timeout'), timeoutMs);
    if (udp === true) overUdp(host, Number(port), resolve);
    else overTcp(host, Number(port), source, resolve);
  });

const seen: Promise<readonly [string, string]>[] = [];
for (const [name, connection] of Object.entries(connections)) {
  const result = await inNamespace(connection.from, () => ({ seen: start(connection) }));
  seen.push(result.seen.then((answer) => [name, answer]));
}
const results = Object.fromEntries(await Promise.all(seen));
process.stdout.write(JSON.stringify(results), () => process.exit());
