import { describe, expect, test } from 'vitest';
import { checkTarget } from '../../src/load/index.js';
import { respondToAll, freePort, faultyServer, okResponse, planFor } from './servers.js';

const check = (port: number, bodyBytes: number | null = 100): ReturnType<typeof checkTarget> =>
  checkTarget(planFor(port).target, { status: 200, bodyBytes });

describe('checkTarget', () => {
  test('reports the size of the response', async () => {
    await using server = await faultyServer(respondToAll(okResponse()));
    expect(await check(server.port)).toEqual({
      status: 200,
      headerBytes: 40,
      bodyBytes: 100,
      body: '',
      location: null,
    });
    expect(await check(server.port, null)).toMatchObject({ bodyBytes: 100 });
  });

  test('accepts a response that ends with the connection', async () => {
    await using server = await faultyServer((socket) =>
      socket.on('data', () => socket.end('HTTP/1.0 200 OK\r\n\r\nabc')),
    );
    expect(await check(server.port, 3)).toMatchObject({ bodyBytes: 3, body: 'abc' });
  });

  test('names a port where nothing listens, with a remedy', async () => {
    const port = await freePort();
    await expect(check(port)).rejects.toMatchObject({
      code: 'load-failed',
      message: expect.stringContaining(`port ${port}`) as string,
      hint: expect.stringContaining('Start a server there') as string,
    });
  });

  test.each([
    ['another status', okResponse().replace('200', '404'), 'status 404, expected 200'],
    ['another length', okResponse(7), 'a body of 7 bytes, expected 100'],
    ['another protocol', '220 mail.example ESMTP\r\n', '220 mail.example'],
  ])('refuses %s, and shows it', async (_, answer, shown) => {
    await using server = await faultyServer(respondToAll(answer));
    await expect(check(server.port)).rejects.toThrow(shown);
  });

  test('names the header line of a malformed response', async () => {
    const wrong = okResponse(100, 'Server: x\r\nContent-Length: 7\r\n');
    await using server = await faultyServer(respondToAll(wrong));
    await expect(check(server.port)).rejects.toThrow(
      'a Content-Length that differs from an earlier one: "Content-Length: 100"',
    );
  });

  test('names it when every byte arrives alone', async () => {
    await using server = await faultyServer((socket) =>
      socket.on('data', () => {
        const bytes = Array.from(okResponse().replace('100', '1OO'));
        const next = (): void => {
          const byte = bytes.shift();
          if (byte === undefined || socket.destroyed) return;
          socket.write(byte);
          setImmediate(next);
        };
        next();
      }),
    );
    await expect(check(server.port)).rejects.toThrow('is not a number: "Content-Length: 1O');
  });

  test('accepts any status and length when none is required, and shows where a redirect leads', async () => {
    await using server = await faultyServer(
      respondToAll('HTTP/1.1 301 Moved\r\nlocation:  /there \r\nContent-Length: 0\r\n\r\n'),
    );
    const { target } = planFor(server.port);
    expect(await checkTarget(target, { status: null, bodyBytes: null })).toMatchObject({
      status: 301,
      location: '/there',
    });
    await expect(checkTarget(target, { status: 200, bodyBytes: null })).rejects.toThrow(
      'status 301 (Location: /there), expected 200',
    );
  });

  test('shows no control characters of a header', async () => {
    await using server = await faultyServer(
      respondToAll('HTTP/1.1 301 Moved\r\nLocation: /\x1b[31m\r\nContent-Length: 0\r\n\r\n'),
    );
    await expect(check(server.port)).rejects.toThrow('(Location: /?[31m)');
  });

  test('refuses a truncated response', async () => {
    await using server = await faultyServer((socket) =>
      socket.on('data', () => socket.end(okResponse().slice(0, 70))),
    );
    await expect(check(server.port)).rejects.toThrow('before the response was complete');
  });

  test('times out on a silent server', { timeout: 20_000 }, async () => {
    await using server = await faultyServer(() => undefined);
    await expect(check(server.port)).rejects.toThrow('did not respond within 5 s');
  });
});
