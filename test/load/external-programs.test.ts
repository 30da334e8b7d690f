import { existsSync } from 'node:fs';
import { delimiter, join } from 'node:path';
import { describe, expect, test, vi } from 'vitest';
import { describeExternal, type ExternalName } from '../../src/load/index.js';
import type { LoadPlan } from '../../src/schema/index.js';
import { Histogram } from '../../src/stats/index.js';
import { testCache } from '../go-programs.js';
import { snapshotMachine } from '../leaks.js';
import { useExternalHost } from './external-host.js';
import { faultyServer, freePort, okResponse, planFor, respondToAll } from './servers.js';

vi.setConfig({ testTimeout: 60_000 });

/** The real programs, built as CONTRIBUTING.md says. */
const FOLDER = testCache('external');
const PATH = process.env['PATH'] ?? '';
const found = (name: string): boolean =>
  [FOLDER, ...PATH.split(delimiter)].some((folder) => existsSync(join(folder, name)));
const missing = (name: string): string =>
  found(name) ? '' : ` (skipped: no ${name} on the PATH or in ${FOLDER}, see CONTRIBUTING.md)`;

const host = useExternalHost(`${FOLDER}:${PATH}`);
const at = (rateRps: number, changes: Partial<LoadPlan> = {}): Partial<LoadPlan> => ({
  mode: { kind: 'open', rateRps, arrival: 'constant' },
  durationMs: 1500,
  ...changes,
});

describe.each<[ExternalName, number]>([
  ['wrk2', 2],
  ['tcpkali', 1],
])('%s', (name, histograms) => {
  describe.skipIf(!found(name))(`as it is${missing(name)}`, () => {
    test('is recognised with its version', async () => {
      const { version } = await describeExternal(host.machine(), name);
      expect(version).toMatch(/^\d+\.\d+/);
    });

    // Repeated: on a busy machine it may miss its rate.
    test('keeps its rate, measures each response and leaves nothing', { retry: 3 }, async () => {
      const generator = await host.open(name);
      const plan = planFor(host.nginx().port, at(1000));
      await generator.check(plan.target, plan.expect);
      const edges: string[] = [];
      const result = await generator.run(plan, { onWindow: (edge) => edges.push(edge) });
      await generator[Symbol.asyncDispose]();
      expect(edges).toEqual(['open', 'close']);
      expect(result.selfCheck).toMatchObject({ valid: true, findings: [] });
      expect(Math.abs(result.achievedRps / 1000 - 1)).toBeLessThan(0.01);
      const response = Histogram.decode(result.response);
      expect(response.count).toBe(result.requests);
      expect(response.quantile(0.5)).toBeLessThan(1e9);
      if (histograms === 2) expect(Histogram.decode(result.service).count).toBe(result.requests);
      const { runFiles = [], processes = [] } = await snapshotMachine();
      expect([...runFiles, ...processes].filter((line) => line.includes(host.run()))).toEqual([]);
    });

    test('fails when nothing listens, with its own words', async () => {
      await using server = await faultyServer(respondToAll(okResponse()));
      await using generator = await host.open(name);
      const { target, expect: expected } = planFor(server.port);
      await generator.check(target, expected);
      const plan = planFor(await freePort(), at(1000));
      await expect(generator.run(plan)).rejects.toMatchObject({
        code: 'process-failed',
        message: expect.stringMatching(
          new RegExp(`^${name} exited with status 1: .*(unable to connect|Could not create)`, 's'),
        ) as string,
      });
    });
  });
});

describe.skipIf(!found('wrk2'))(`wrk2 and a slow server${missing('wrk2')}`, () => {
  test('has an invalid slice: the rate was missed', async () => {
    await using server = await faultyServer((socket) =>
      socket.on('data', () => setTimeout(() => socket.write(okResponse()), 50)),
    );
    await using generator = await host.open('wrk2');
    const plan = planFor(server.port, at(1000));
    await generator.check(plan.target, plan.expect);
    const { selfCheck } = await generator.run(plan);
    expect(selfCheck.findings).toContainEqual(
      expect.objectContaining({ code: 'rate-missed', generator: 'wrk2', offeredRps: 1000 }),
    );
  });
});

describe.skipIf(!found('tcpkali'))(`tcpkali${missing('tcpkali')}`, () => {
  test('has an invalid slice when the server closes each connection', async () => {
    await using generator = await host.open('tcpkali');
    const plan = planFor(host.nginx().port, at(2000));
    const target = { ...plan.target, path: '/once' };
    await generator.check(target, plan.expect);
    const result = await generator.run({ ...plan, target });
    expect(result.selfCheck.findings).toContainEqual(expect.objectContaining({ code: 'rate-missed' }));
  });

  test('fails with its own words when more responses arrive than were asked for', async () => {
    await using server = await faultyServer(respondToAll(okResponse().repeat(2)));
    await using right = await faultyServer(respondToAll(okResponse()));
    await using generator = await host.open('tcpkali');
    const plan = planFor(server.port, at(1000));
    await generator.check({ ...plan.target, port: right.port }, plan.expect);
    await expect(generator.run(plan)).rejects.toThrow('More messages received than sent');
  });

  test('runs with any number of connections: its time limit is a whole number', async () => {
    await using generator = await host.open('tcpkali');
    const plan = planFor(host.nginx().port, at(640, { connections: 64, durationMs: 1000 }));
    await generator.check(plan.target, plan.expect);
    expect((await generator.run(plan)).requests).toBeGreaterThan(300);
  });
});
