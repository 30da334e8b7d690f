import { setTimeout as sleep } from 'node:timers/promises';
import { expect, test } from 'vitest';
import { GeneratorProcess } from '../../src/load/index.js';
import { openMachine } from '../../src/machine/index.js';
import { faultyServer, okResponse, planFor } from './servers.js';

/** Runs loads one after another in one generator process, which keeps their connections. */
async function withGenerator<T>(
  use: (generator: ReturnType<GeneratorProcess['from']>) => Promise<T>,
): Promise<T> {
  await using machine = await openMachine({ run: `kept${process.pid}`, host: 'host0', netns: null });
  await using generator = new GeneratorProcess(machine, []);
  await generator.ready(1);
  return await use(generator.from(null));
}

const ONE = { set: 'one', ofSets: 1 };

test('connections stay open from load to load', async () => {
  let opened = 0;
  await using server = await faultyServer((socket) => {
    opened++;
    socket.on('data', () => socket.write(okResponse()));
  });
  await withGenerator(async (generator) => {
    for (const seed of [1, 2, 3]) {
      const result = await generator.run(planFor(server.port, { seed }), { keep: ONE });
      expect(result.requests).toBe(result.intended);
      expect(result.selfCheck.connectionsLost).toBe(0);
    }
    expect(opened).toBe(8);
    await generator.run(planFor(server.port), {});
    expect(opened).toBe(16);
  });
});

test('sets have connections of their own, and the oldest is closed for a new one', async () => {
  const open = new Set<object>();
  await using server = await faultyServer((socket) => {
    open.add(socket);
    socket.on('close', () => open.delete(socket)).on('data', () => socket.write(okResponse()));
  });
  await withGenerator(async (generator) => {
    for (const [set, most] of [
      ['one', 8],
      ['two', 16],
      ['three', 16],
      ['two', 16],
    ] as const) {
      const result = await generator.run(planFor(server.port), { keep: { set, ofSets: 2 } });
      expect(result.requests).toBe(result.intended);
      await sleep(50);
      expect(open.size).toBe(most);
    }
  });
});

test('a late response of one load is received by no request of the next', async () => {
  let stalls = true;
  await using server = await faultyServer((socket) =>
    socket.on('data', () => {
      // Twice the time-out, so that the response comes in the middle of the next load.
      if (stalls) void sleep(600).then(() => socket.write(okResponse(50)));
      else socket.write(okResponse());
    }),
  );
  await withGenerator(async (generator) => {
    const late = await generator.run(planFor(server.port), { keep: ONE });
    expect(late.errors).toMatchObject({ length: 0 });
    expect(late.requests).toBe(0);
    stalls = false;
    const next = await generator.run(planFor(server.port, { seed: 2 }), { keep: ONE });
    expect(next.errors.length).toBe(0);
    expect(next.requests).toBe(next.intended);
  });
});

test('connections that the server closed between two loads are opened again', async () => {
  const sockets: { destroy: () => void }[] = [];
  await using server = await faultyServer((socket) => {
    sockets.push(socket);
    socket.on('data', () => socket.write(okResponse()));
  });
  await withGenerator(async (generator) => {
    await generator.run(planFor(server.port), { keep: ONE });
    for (const socket of sockets.splice(0)) socket.destroy();
    await sleep(50);
    const next = await generator.run(planFor(server.port, { seed: 2 }), { keep: ONE });
    expect(next.requests).toBe(next.intended);
    expect(next.selfCheck.connectionsLost).toBe(0);
  });
});

test('a generator that was ended within a restart is started again', async () => {
  await using machine = await openMachine({ run: 'gentst', host: 'generator', netns: null });
  await using generator = new GeneratorProcess(machine, []);
  await Promise.all([generator.ready(1), generator.ready(1)]);
  const first = generator.from(null).pid;
  await generator.ready(1);
  expect(generator.from(null).pid).toBe(first);
  await generator.end();
  await generator.ready(1);
  expect(generator.from(null).pid).not.toBe(first);
});
