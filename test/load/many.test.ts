import { readFileSync } from 'node:fs';
import { describe, expect, test } from 'vitest';
import { runStandalone } from '../../src/load/index.js';
import type { LoadPlan, LoadResult } from '../../src/schema/index.js';
import { startGenerator } from './generator-process.js';
import { respondToAll, freePort, faultyServer, okResponse, planFor, startNginx } from './servers.js';

/** Runs one plan in its own process; `peakMb` is the most memory that the process ever had. */
async function runApart(plan: LoadPlan): Promise<{ result: LoadResult; peakMb: number }> {
  await using generator = startGenerator();
  const result = await generator.run(plan);
  const status = readFileSync(`/proc/${generator.child.pid}/status`, 'ascii');
  return { result, peakMb: Number(/VmHWM:\s+(\d+)/.exec(status)?.[1]) / 1024 };
}

describe('many connections', () => {
  test(
    '60,000 from one address, more than its usual ports, in less than 200 MB',
    { timeout: 120_000 },
    async () => {
      await using nginx = await startNginx(undefined, 4);
      const plan = planFor(nginx.port, {
        connections: 60_000,
        threads: 4,
        mode: { kind: 'open', rateRps: 1000, arrival: 'constant' },
        durationMs: 1000,
        timeoutMs: 5000,
      });
      const { result, peakMb } = await runApart(plan);
      // Shows by kind what failed.
      expect({ ...result.errors, unsent: result.selfCheck.missedSends }).toEqual({
        ...Object.fromEntries(Object.keys(result.errors).map((kind) => [kind, 0])),
        unsent: 0,
      });
      expect(result.requests).toBe(result.intended);
      expect(result.intended).toBeGreaterThan(900);
      expect(peakMb).toBeLessThan(200);
    },
  );

  test('use the given source addresses in turn', async () => {
    const from: string[] = [];
    await using server = await faultyServer((socket) => {
      from.push(String(socket.remoteAddress));
      respondToAll(okResponse())(socket);
    });
    await runStandalone(
      planFor(server.port, { connections: 6, sources: ['127.0.0.5', '127.0.0.6', '127.0.0.7'] }),
    );
    expect(from.sort()).toEqual(['5', '5', '6', '6', '7', '7'].map((last) => `127.0.0.${last}`));
  });

  test('fail with the errno from an address that this host does not have', async () => {
    const result = await runStandalone(planFor(await freePort(), { sources: ['192.0.2.77'] }));
    expect(result.requests).toBe(0);
    expect(result.selfCheck.findings).toContainEqual(
      expect.objectContaining({ code: 'connections-unopened', errno: 'EADDRNOTAVAIL' }),
    );
  });

  test('are refused with a remedy when they exceed the limit of open files', async () => {
    const run = runStandalone(planFor(await freePort(), { connections: 5_000_000, threads: 2 }));
    await expect(run).rejects.toMatchObject({
      code: 'load-failed',
      message: expect.stringContaining('5000000 connections in 2 threads') as string,
      hint: expect.stringContaining('ulimit -n') as string,
    });
  });
});
