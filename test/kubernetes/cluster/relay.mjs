// Usage: relay.mjs HOST PORT. Accepts connections on the server that its parent sends, and passes each on to HOST:PORT.
// The server belongs to the parent's network namespace, and HOST to that of this process: no link connects the two.
import { connect } from 'node:net';

const [host, port] = process.argv.slice(2);

process.once('message', (_, server) => {
  server.on('connection', (client) => {
    const upstream = connect(Number(port), host);
    for (const socket of [client, upstream]) {
      socket.setNoDelay(true);
      socket.on('error', () => {
        client.destroy();
        upstream.destroy();
      });
    }
    client.pipe(upstream).pipe(client);
  });
  process.send('accepting');
});
process.on('disconnect', () => process.exit());
