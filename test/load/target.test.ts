import { describe, expect, test } from 'vitest';
import { checkTarget } from '../../src/load/index.js';
import { respondToAll, freePort, faultyServer, okResponse, planFor } from './servers.js';

const check = (port: number, bodyBytes: number | null = 100): ReturnType<typeof checkTarget> =>
  checkTarget(planFor(port).target, { status: 200, bodyBytes });

describe('checkTarget', () => {
  test('reports the size of the response', async () => {
    await using server = await faultyServer(respondToAll(okResponse()));
    expect(await check(server.port)).toEqual({ status: 200, headerBytes: 40, bodyBytes: 100, body: '' });
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
