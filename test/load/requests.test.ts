import type { Socket } from 'node:net';
import { describe, expect, test } from 'vitest';
import { runStandalone } from '../../src/load/index.js';
import type { LoadPlan, LoadResult } from '../../src/schema/index.js';
import { faultyServer, okResponse, planFor, respondToAll, startNginx } from './servers.js';

type Request = LoadPlan['target']['request'];

const RATE: Partial<LoadPlan> = { mode: { kind: 'open', rateRps: 200, arrival: 'constant' } };

function planWith(port: number, request: Request, changes: Partial<LoadPlan> = {}): LoadPlan {
  const plan = planFor(port, { ...RATE, ...changes });
  return { ...plan, target: { ...plan.target, host: 'www.example:81', request } };
}

const send = (port: number, request: Request, changes: Partial<LoadPlan> = {}): Promise<LoadResult> =>
  runStandalone(planWith(port, request, changes));

describe('the request', () => {
  test('has its method, host, headers and body on every connection', async () => {
    const seen = new Set<string>();
    await using server = await faultyServer((socket) =>
      socket.on('data', (bytes) => {
        seen.add(bytes.toString('latin1'));
        socket.write(okResponse());
      }),
    );
    const result = await send(server.port, {
      method: 'PUT',
      headers: ['X-One: 1', 'Authorization: Basic eDp5'],
      body: Buffer.from('häh').toString('base64'),
    });
    expect(result.requests).toBe(result.intended);
    expect([...seen]).toEqual([
      Buffer.from(
        'PUT /f HTTP/1.1\r\nHost: www.example:81\r\nX-One: 1\r\nAuthorization: Basic eDp5\r\nContent-Length: 4\r\n\r\nhäh',
      ).toString('latin1'),
    ]);
  });

  test('may be larger than what the socket takes at once', async () => {
    const bytes = 3_000_000;
    await using server = await faultyServer((socket) => {
      let left = 0;
      socket.on('data', (data) => {
        const end = data.indexOf('\r\n\r\n');
        if (left === 0) left = bytes + end + 4;
        left -= data.length;
        if (left === 0) socket.write(okResponse());
      });
    });
    const result = await send(
      server.port,
      { method: 'POST', headers: [], body: Buffer.alloc(bytes, 'x').toString('base64') },
      { mode: { kind: 'open', rateRps: 10, arrival: 'constant' }, connections: 2, timeoutMs: 5000 },
    );
    expect(result.requests).toBe(result.intended);
    expect(result.traffic!.sentBytes).toBeGreaterThan(bytes * result.requests);
  });

  test('is not sent on a connection that got its response before it was sent entirely', async () => {
    // A server that refuses uploads: it answers the header, keeps the connection and reads nothing more.
    await using server = await faultyServer((socket) =>
      socket.once('data', () => {
        socket.pause();
        socket.write(okResponse());
      }),
    );
    const body = Buffer.alloc(20_000_000, 'x').toString('base64');
    const result = await send(
      server.port,
      { method: 'POST', headers: [], body },
      { mode: { kind: 'open', rateRps: 20, arrival: 'constant' }, connections: 2, timeoutMs: 2000 },
    );
    expect(result.requests).toBe(result.intended);
    expect(server.connections).toBeGreaterThanOrEqual(result.requests);
  });

  test('HEAD gets a header without a body', async () => {
    await using nginx = await startNginx();
    const result = await send(
      nginx.port,
      { method: 'HEAD', headers: [] },
      { expect: { status: 200, bodyBytes: 0 } },
    );
    expect(result.requests).toBe(result.intended);
  });
});

describe('what was exchanged', () => {
  test('counts bytes, statuses and connections exactly', async () => {
    await using server = await faultyServer(respondToAll(okResponse()));
    const { requests, traffic } = await runStandalone(planFor(server.port, RATE));
    const request = Buffer.byteLength('GET /f HTTP/1.1\r\nHost: 127.0.0.1\r\n\r\n');
    expect(traffic).toMatchObject({
      statuses: { 200: requests },
      sentBytes: requests * request,
      receivedBytes: requests * okResponse().length,
      bodyBytes: requests * 100,
      bodyLength: { min: 100, max: 100 },
      opened: 8,
      closedAfterResponse: 0,
      connectErrors: {},
    });
    expect(traffic!.connectUs!.p50).toBeGreaterThan(0);
  });

  test('adds up over threads', async () => {
    await using server = await faultyServer(respondToAll(okResponse()));
    const { requests, traffic } = await runStandalone(planFor(server.port, { ...RATE, threads: 2 }));
    expect(traffic).toMatchObject({ statuses: { 200: requests }, bodyBytes: requests * 100, opened: 8 });
    expect(traffic!.bodyLength).toEqual({ min: 100, max: 100 });
  });

  test('bodies of any length are right when none is required', async () => {
    await using server = await faultyServer((socket, number) => {
      let requests = number;
      socket.on('data', () => socket.write(okResponse(50 + (requests++ % 100))));
    });
    const result = await runStandalone(
      planFor(server.port, { ...RATE, expect: { status: 200, bodyBytes: null } }),
    );
    expect(result.requests).toBe(result.intended);
    const { min, max } = result.traffic!.bodyLength!;
    expect(min).toBeLessThan(max);
  });

  test('every status is counted', async () => {
    await using server = await faultyServer((socket, number) => {
      let requests = number;
      socket.on('data', () =>
        socket.write(requests++ % 2 === 0 ? okResponse() : okResponse().replace('200 OK', '503 Busy')),
      );
    });
    const { requests, errors, traffic } = await runStandalone(planFor(server.port, RATE));
    expect(traffic!.statuses).toEqual({ 200: requests, 503: errors.status });
    expect(errors.status).toBeGreaterThan(10);
  });

  test('the first malformed response is described', async () => {
    await using server = await faultyServer(respondToAll(okResponse().replace('Length: 100', 'Length: 1OO')));
    const { traffic } = await runStandalone(planFor(server.port, RATE));
    expect(traffic!.malformed).toBe('a Content-Length that is not a number: "Content-Length: 1OO"');
  });

  test('bytes after a response are described', async () => {
    await using server = await faultyServer(respondToAll(`${okResponse()}more`));
    const { traffic } = await runStandalone(planFor(server.port, RATE));
    expect(traffic!.malformed).toBe('bytes after the end of the response: "more"');
  });
});

describe('a server that closes each connection', () => {
  const closes: [string, (socket: Socket) => void][] = [
    ['HTTP/1.0', (socket) => socket.end(okResponse().replace('1.1', '1.0'))],
    ['Connection: close', (socket) => socket.end(okResponse(100, 'Connection: close\r\n'))],
    ['a body until the close', (socket) => socket.end(`HTTP/1.1 200 OK\r\n\r\n${'x'.repeat(100)}`)],
  ];
  test.each(closes)('has every request measured and its connections counted: %s', async (_, answer) => {
    await using server = await faultyServer((socket) => socket.once('data', () => answer(socket)));
    const result = await runStandalone(planFor(server.port, RATE));
    expect(result.requests).toBe(result.intended);
    expect(result.traffic!.closedAfterResponse).toBeGreaterThan(result.requests * 0.9);
    expect(result.traffic!.openedInWindow).toBeGreaterThan(result.requests * 0.9);
  });

  test('is given a new connection at once, and not when housekeeping is due', async () => {
    await using server = await faultyServer((socket) =>
      socket.once('data', () => socket.end(okResponse(100, 'Connection: close\r\n'))),
    );
    const { achievedRps } = await runStandalone(
      planFor(server.port, { connections: 1, mode: { kind: 'closed' }, durationMs: 1000 }),
    );
    // Housekeeping every 5 ms would allow 200 requests/s.
    expect(achievedRps).toBeGreaterThan(250);
  });
});

test('a thousand requests for each connection, as nginx has it by default, lose none', async () => {
  await using nginx = await startNginx();
  const plan = planFor(nginx.port, {
    connections: 2,
    mode: { kind: 'open', rateRps: 4000, arrival: 'constant' },
    durationMs: 1000,
  });
  const result = await runStandalone({ ...plan, target: { ...plan.target, path: '/thousand' } });
  expect(result.requests).toBe(result.intended);
  expect(result.traffic!.closedAfterResponse).toBeGreaterThanOrEqual(2);
});
