import fc from 'fast-check';
import type { Socket } from 'node:net';
import { setTimeout as sleep } from 'node:timers/promises';
import { describe, expect, test } from 'vitest';
import { runStandalone } from '../../src/load/index.js';
import { ERROR_KINDS, type ErrorKind, type LoadPlan, type LoadResult } from '../../src/schema/index.js';
import { respondToAll, freePort, faultyServer, okResponse, planFor, startNginx } from './servers.js';

const failures = (result: LoadResult): Partial<Record<ErrorKind, number>> =>
  Object.fromEntries(Object.entries(result.errors).filter(([, count]) => count > 0));

/** Each request of the window ends in exactly one way. */
function expectBalanced(result: LoadResult): void {
  const failed = ERROR_KINDS.reduce((sum, kind) => sum + result.errors[kind], 0);
  expect(result.requests + failed + result.selfCheck.missedSends).toBe(result.intended);
}

async function loadFaulty(
  serve: (socket: Socket, number: number) => void,
  changes: Partial<LoadPlan> = {},
): Promise<LoadResult> {
  await using server = await faultyServer(serve);
  const result = await runStandalone(
    planFor(server.port, { mode: { kind: 'open', rateRps: 200, arrival: 'constant' }, ...changes }),
  );
  expectBalanced(result);
  return result;
}

function start(plan: LoadPlan): { run: Promise<LoadResult>; isOpen: Promise<void> } {
  let run: Promise<LoadResult> | undefined;
  const isOpen = new Promise<void>((resolve) => {
    run = runStandalone(plan, { onWindow: () => resolve() });
  });
  return { run: run!, isOpen };
}

/** Answers every `n`th request by `wrong`, the others well. */
const everyNth =
  (n: number, wrong: (socket: Socket) => void) =>
  (socket: Socket, number: number): void => {
    let requests = number;
    socket.on('data', () => {
      if (++requests % n === 0) wrong(socket);
      else socket.write(okResponse());
    });
  };

describe('each kind of failure is counted and does not end the run', () => {
  test.each<[ErrorKind, string, (socket: Socket) => void]>([
    ['status', 'another status', (socket) => socket.write(okResponse().replace('200 OK', '503 Busy'))],
    ['length', 'another length', (socket) => socket.write(okResponse(101))],
    ['malformed', 'no HTTP', (socket) => socket.write('+PONG\r\n')],
    ['malformed', 'bytes behind the answer', (socket) => socket.write(`${okResponse()}more`)],
    ['malformed', 'the answer twice', (socket) => socket.write(okResponse().repeat(2))],
    ['closed', 'a close without an answer', (socket) => socket.end()],
    ['closed', 'a close within the answer', (socket) => socket.end(okResponse().slice(0, 60))],
    ['reset', 'a reset', (socket) => socket.resetAndDestroy()],
    ['timeout', 'no answer', () => undefined],
    ['timeout', 'half an answer', (socket) => socket.write(okResponse().slice(0, 60))],
  ])('%s: %s', async (kind, _, wrong) => {
    const result = await loadFaulty(everyNth(10, wrong));
    expect(Object.keys(failures(result))).toEqual([kind]);
    expect(result.errors[kind]).toBeGreaterThan(0);
    expect(result.requests).toBeGreaterThan(result.intended / 4);
  });

  test('connect: nothing listens', async () => {
    const result = await runStandalone(planFor(await freePort()));
    expectBalanced(result);
    expect(result.requests).toBe(0);
    expect(Object.keys(failures(result))).toEqual(['connect']);
    expect(result.errors.connect).toBeGreaterThan(result.intended / 2);
    expect(result.selfCheck.valid).toBe(false);
    expect(result.selfCheck.findings).toContainEqual(
      expect.objectContaining({ code: 'connections-unopened', errno: 'ECONNREFUSED' }),
    );
  });

  test.each(['poisson', 'closed'] as const)('connect: nothing listens, %s', async (kind) => {
    const mode: LoadPlan['mode'] =
      kind === 'closed' ? { kind } : { kind: 'open', rateRps: 1000, arrival: 'poisson' };
    const result = await runStandalone(planFor(await freePort(), { mode }));
    expectBalanced(result);
    expect(result.requests).toBe(0);
    expect(result.errors.connect).toBeGreaterThan(0);
  });
});

describe('valid responses in any form', () => {
  test.each<[string, (socket: Socket) => void]>([
    ['one byte at a time', dribble],
    [
      'chunked',
      respondToAll(
        `HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n64\r\n${'x'.repeat(100)}\r\n0\r\n\r\n`,
      ),
    ],
    ['after an interim answer', respondToAll(`HTTP/1.1 103 Early Hints\r\n\r\n${okResponse()}`)],
    ['ended by the close of the connection', endByClose],
    ['with a header that is never the same', varying],
  ])('%s', async (_, serve) => {
    const result = await loadFaulty(serve);
    expect(failures(result)).toEqual({});
    expect(result.requests).toBe(result.intended);
  });

  test('a body larger than any buffer', async () => {
    const bodyBytes = 1_000_000;
    const result = await loadFaulty(respondToAll(okResponse(bodyBytes)), {
      mode: { kind: 'open', rateRps: 40, arrival: 'constant' },
      expect: { status: 200, bodyBytes },
      timeoutMs: 2000,
    });
    expect(result.requests).toBe(result.intended);
  });

  test('split anywhere', async () => {
    const responses = [
      okResponse(),
      okResponse(100, 'Date: Mon, 01 Jan 2035 00:00:00 GMT\r\n'),
      `HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n60\r\n${'x'.repeat(96)}\r\n4;e\r\nabcd\r\n0\r\nT: 1\r\n\r\n`,
    ];
    const cases = fc.sample(
      fc.tuple(
        fc.constantFrom(...responses),
        fc.uniqueArray(fc.integer({ min: 1, max: 180 }), { maxLength: 6 }),
      ),
      200,
    );
    let next = 0;
    const result = await loadFaulty((socket) => {
      socket.on('data', () => {
        const [text, cuts] = cases[next++ % cases.length]!;
        sendCut(
          socket,
          text,
          [...cuts].sort((a, b) => a - b),
        );
      });
    });
    expect(failures(result)).toEqual({});
    expect(result.requests).toBe(result.intended);
  });
});

describe('a server that stops', () => {
  test('in mid-run and restarts: requests fail by kind and the load continues', async () => {
    await using first = await startNginx();
    const { run, isOpen } = start(planFor(first.port, { durationMs: 2000 }));
    await isOpen;
    await sleep(400);
    await first[Symbol.asyncDispose]();
    await using second = await startNginx(first.port);
    const result = await run;
    expect(second.port).toBe(first.port);
    expectBalanced(result);
    expect(result.requests).toBeGreaterThan(200);
    expect(result.selfCheck.connectionsLost).toBeGreaterThan(0);
  });

  test('for good: the run ends on time', async () => {
    await using nginx = await startNginx();
    const { run, isOpen } = start(planFor(nginx.port, { durationMs: 1000 }));
    await isOpen;
    nginx.process.kill('SIGKILL');
    const killedAt = performance.now();
    const result = await run;
    expectBalanced(result);
    expect(performance.now() - killedAt).toBeLessThan(3000);
    expect(result.errors.connect).toBeGreaterThan(0);
  });

  test('after each accept: connections are reopened at a limited rate', async () => {
    await using server = await faultyServer((socket) => socket.destroy());
    const result = await runStandalone(planFor(server.port, { connections: 4 }));
    expectBalanced(result);
    // Four connections, one attempt in 100 ms each, over less than two seconds.
    expect(server.connections).toBeLessThan(100);
  });
});

test('late sends of a slow server do not count as scheduling delay of the generator', async () => {
  const result = await loadFaulty(
    (socket) => socket.on('data', () => setTimeout(() => socket.write(okResponse()), 50)),
    { connections: 1, mode: { kind: 'open', rateRps: 100, arrival: 'constant' } },
  );
  expect(result.selfCheck.lateSends).toBeGreaterThan(2);
  expect(result.selfCheck.sendLatenessUs.p99).toBeGreaterThan(50_000);
  expect(result.selfCheck.schedulingDelayUs!.p50).toBeLessThan(5_000);
});

function dribble(socket: Socket): void {
  socket.on('data', () =>
    sendCut(
      socket,
      okResponse(),
      Array.from({ length: 138 }, (_, at) => at + 1),
    ),
  );
}

function sendCut(socket: Socket, text: string, cuts: readonly number[]): void {
  let from = 0;
  const pieces = [...cuts.filter((cut) => cut < text.length), text.length].map((to) => {
    const piece = text.slice(from, to);
    from = to;
    return piece;
  });
  const next = (): void => {
    const piece = pieces.shift();
    if (piece === undefined || socket.destroyed) return;
    socket.write(piece);
    setImmediate(next);
  };
  next();
}

function endByClose(socket: Socket): void {
  socket.on('data', () => socket.end(`HTTP/1.1 200 OK\r\n\r\n${'x'.repeat(100)}`));
}

function varying(socket: Socket): void {
  let number = 0;
  socket.on('data', () => socket.write(okResponse(100, `X-Request: ${1e6 + number++}\r\n`)));
}
