import { setTimeout as sleep } from 'node:timers/promises';
import { expect, test } from 'vitest';
import { GeneratorProcess } from '../../src/load/index.js';
import { findNetwork } from '../../src/network/index.js';
import { SERVER_PORT, type LoadPlan } from '../../src/schema/index.js';
import { serverSteps, startServer, workload } from '../../src/server/index.js';
import { Histogram } from '../../src/stats/index.js';
import { setUpNetwork, type Testbed } from '../../src/testbed/index.js';

const [RATE_RPS, SECONDS, CONNECTIONS] = [100, 4, 8];

/** Guests have a wall clock of their own, which can be set without harm to this machine's. */
export function testClock(guests: () => Testbed): void {
  test('setting the wall clock in mid-run changes no time and no rate', async () => {
    const { client, server, run } = guests();
    await using host = new GeneratorProcess(client.machine, client.cpus);
    await host.ready(1);
    await using active = await setUpNetwork(guests(), findNetwork('host'));
    const { address, netns } = active.server;
    await using nginx = await startServer(
      server.machine,
      serverSteps({
        dir: `/run/barewire/${run}-clock`,
        netns,
        address,
        port: SERVER_PORT,
        cpus: server.cpus,
      }),
    );
    await using generator = host.from(active.client.netns);
    const plan = planFor(address, client.cpus);
    await nginx.ready(async () => {
      await generator.check(plan.target, plan.expect);
    });
    const both = [client.machine, server.machine];
    const set = (change: string) => Promise.all(both.map((machine) => machine.run(['date', '-s', change])));
    const wallS = async () => Number((await client.machine.run(['date', '+%s'])).stdout);

    const [beforeS, before] = [await wallS(), performance.now()];
    const seen: number[] = [];
    const turns = async (): Promise<void> => {
      for (const change of ['+1 hour', '-2 hours']) {
        await set(change);
        seen.push(Math.round((await wallS()) - beforeS - (performance.now() - before) / 1000));
        await sleep(800);
      }
    };
    let turned: Promise<void> | undefined;
    const edges: number[] = [];
    const result = await generator.run(plan, {
      onWindow: (edge) => {
        if (edge !== 'start') edges.push(performance.now());
        if (edge === 'open') turned = turns();
      },
    });
    await turned;
    await set('+1 hour');

    expect(seen.map((second) => Math.round(second / 600))).toEqual([6, -6]);
    expect((edges[1]! - edges[0]!) / 1000).toBeCloseTo(SECONDS, 0);
    expect(Math.abs(result.intended - RATE_RPS * SECONDS)).toBeLessThanOrEqual(CONNECTIONS);
    expect(result.requests).toBe(result.intended);
    expect(Math.abs(result.achievedRps / RATE_RPS - 1)).toBeLessThan(0.1);
    const response = Histogram.decode(result.response);
    expect(response.min).toBeGreaterThan(0);
    expect(response.max / 1e9).toBeLessThan(SECONDS);
    expect(result.selfCheck.stalls?.maxMs).toBeLessThan(SECONDS * 1000);
  });
}

const planFor = (address: string, cpus: readonly number[]): LoadPlan => ({
  target: { address, port: SERVER_PORT, path: workload('350B').path, host: address },
  expect: { status: 200, bodyBytes: workload('350B').bodyBytes },
  mode: { kind: 'open', rateRps: RATE_RPS, arrival: 'constant' },
  connections: CONNECTIONS,
  threads: 1,
  cpus,
  warmupMs: 500,
  durationMs: SECONDS * 1000,
  timeoutMs: 5000,
  seed: 1,
});
