import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import * as z from 'zod';
import { decodeError, encodeError, RpcClient, RpcServer, type Protocol } from '../../src/rpc/index.js';
import { bug, machineError, userError } from '../../src/schema/index.js';

const PROTOCOL = {
  name: 'test',
  version: 1,
  methods: {
    echo: { params: z.object({ value: z.unknown() }), result: z.object({ value: z.unknown() }) },
    wait: { params: z.object({ ms: z.number() }), result: z.number() },
    fail: { params: z.object({}), result: z.null() },
  },
  events: { tick: z.number() },
} as const satisfies Protocol;

interface PairOptions {
  readonly serverVersion?: string;
  readonly onTick?: (data: number) => void;
}

/** A client and a server that pass each other their lines. */
function connect({ serverVersion = '1.0.0', onTick }: PairOptions = {}) {
  const client = new RpcClient<typeof PROTOCOL>(PROTOCOL, {
    peer: 'server',
    version: '1.0.0',
    write: (line) => {
      server.receive(line);
    },
    onEvent: onTick === undefined ? {} : { tick: onTick },
  });
  const server = new RpcServer<typeof PROTOCOL>(PROTOCOL, {
    version: serverVersion,
    write: (line) => client.receive(line),
    handlers: {
      echo: ({ value }) => ({ value }),
      wait: async ({ ms }) => {
        await new Promise((resolve) => setTimeout(resolve, ms));
        return ms;
      },
      fail: () => {
        throw machineError('disk', 'no space', 'Free some.', new Error('ENOSPC'));
      },
    },
  });
  return { client, server };
}

describe('requests', () => {
  test('carry any JSON value there and back', async () => {
    const { client } = connect();
    await client.shakeHands();
    await fc.assert(
      fc.asyncProperty(fc.jsonValue(), async (value) => {
        expect(await client.request('echo', { value })).toEqual({
          value: JSON.parse(JSON.stringify(value)) as unknown,
        });
      }),
    );
  });

  test('run concurrently, and results find their request', async () => {
    const { client } = connect();
    await client.shakeHands();
    const waits = [30, 10, 20].map((ms) => client.request('wait', { ms }));
    expect(await Promise.race(waits)).toBe(10);
    expect(await Promise.all(waits)).toEqual([30, 10, 20]);
  });

  test('reject with the error of the server, its code, hint and cause', async () => {
    const { client } = connect();
    await client.shakeHands();
    await expect(client.request('fail', {})).rejects.toMatchObject({
      code: 'disk',
      fault: 'machine',
      hint: 'Free some.',
      cause: new Error('ENOSPC'),
    });
  });

  test('with invalid parameters or an unknown method are refused', async () => {
    const { client } = connect();
    await client.shakeHands();
    await expect(client.request('wait', { ms: 'soon' as never })).rejects.toMatchObject({
      code: 'agent-protocol',
    });
    await expect(client.request('none' as never, {} as never)).rejects.toThrow('Unknown method: none');
  });

  test('reject when the connection ends, now and later', async () => {
    const { client } = connect();
    await client.shakeHands();
    const waiting = client.request('wait', { ms: 1000 });
    client.end(machineError('agent-lost', 'gone', ''));
    await expect(waiting).rejects.toMatchObject({ code: 'agent-lost' });
    await expect(client.request('echo', { value: 1 })).rejects.toMatchObject({ code: 'agent-lost' });
  });
});

test('events reach their listener in order', async () => {
  const ticks: number[] = [];
  const { client, server } = connect({ onTick: (data) => ticks.push(data) });
  await client.shakeHands();
  for (const tick of [1, 2, 3]) server.emit('tick', tick);
  expect(ticks).toEqual([1, 2, 3]);
});

test('the errors of every kind survive the codec', () => {
  for (const error of [
    userError('message', 'hint', { code: 'no-such-file', cause: new Error('inner') }),
    machineError('timed-out', 'message', 'hint'),
    bug('message'),
  ]) {
    const { message, code, fault, hint } = decodeError(encodeError(error));
    expect({ message, code, fault, hint }).toEqual({
      message: error.message,
      code: error.code,
      fault: error.fault,
      hint: error.hint,
    });
  }
  expect(decodeError(encodeError(new TypeError('broken')))).toMatchObject({ code: 'bug', fault: 'bug' });
});

describe('a peer', () => {
  test('of another version is refused with both versions', async () => {
    const { client } = connect({ serverVersion: '2.0.0' });
    await expect(client.shakeHands()).rejects.toThrow(
      /2\.0\.0 with protocol test 1.*1\.0\.0 with protocol test 1/,
    );
  });

  test('that prints something else is refused with that line', async () => {
    const client = new RpcClient(PROTOCOL, { peer: 'server', version: '1', write: () => undefined });
    const greeting = client.shakeHands();
    client.receive('Welcome to host!');
    await expect(greeting).rejects.toMatchObject({
      code: 'agent-protocol',
      message: expect.stringContaining('Welcome to host!') as string,
      hint: expect.stringContaining('login shell') as string,
    });
  });

  test('that is silent for longer than the limit is lost', async () => {
    const client = new RpcClient(PROTOCOL, { peer: 'server', version: '1', write: () => undefined });
    const waiting = client.request('wait', { ms: 1 });
    const lost = new Promise((resolve) => client.startHeartbeat({ intervalMs: 10, limitMs: 60 }, resolve));
    await expect(waiting).rejects.toMatchObject({ code: 'agent-lost' });
    expect(await lost).toMatchObject({ message: expect.stringContaining('No message from the') as string });
  });

  test('that answers pings is not lost, and a server notices a silent client', async () => {
    const { client, server } = connect();
    await client.shakeHands();
    let lost = false;
    client.startHeartbeat({ intervalMs: 10, limitMs: 40 }, () => (lost = true));
    let silent = false;
    server.startWatch({ intervalMs: 10, limitMs: 40 }, () => (silent = true));
    await new Promise((resolve) => setTimeout(resolve, 150));
    expect([lost, silent]).toEqual([false, false]);
    client.end(new Error('gone'));
    await new Promise((resolve) => setTimeout(resolve, 150));
    expect(silent).toBe(true);
  });
});
