import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { expect, test, vi } from 'vitest';
import * as z from 'zod';
import type { GivenNetwork, HostPlan } from '../../src/network/index.js';
import { ResultsDirectory, resolveSpec, runStudy } from '../../src/study/index.js';
import { openTestbed, planTestbed, registerTestbed, type TestbedKind } from '../../src/testbed/index.js';

vi.setConfig({ testTimeout: 240_000 });

const DELAYED: GivenNetwork = { kind: 'given', name: 'delayed-wire', what: 'the wire with a token bucket' };
const RATE_BPS = 2e6;
const BURST_BYTES = 1_600;
/** nginx's header, as long as the real one. */
const HEADER =
  'HTTP/1.1 200 OK\r\nServer: nginx\r\nDate: Thu, 26 Nov 2026 12:00:00 GMT\r\nContent-Type: application/octet-stream\r\n' +
  'Content-Length: 4096\r\nLast-Modified: Thu, 26 Nov 2026 12:00:00 GMT\r\nConnection: keep-alive\r\n' +
  'Accept-Ranges: bytes\r\n\r\n';
/** In three segments, each with 66 bytes of headers. What exceeds the full bucket waits for its tokens. */
const DELAY_MS = ((4_096 + HEADER.length + 3 * 66 - BURST_BYTES) * 8e3) / RATE_BPS;

/** Namespaces whose server sends through a token bucket on the given network: full after a pause, then at its rate. */
const KIND: TestbedKind<Record<string, never>> = {
  name: 'known',
  usage: ['known'],
  description: 'a testbed of this test',
  optionsSchema: z.strictObject({}),
  parse: (text) => (text === null ? {} : null),
  madeHere: true,
  usersMachines: false,
  givenNetworks: [DELAYED],
  plansNetworks: true,
  ownHosts: true,
  plan: (_, common) => planTestbed({ kind: 'netns' }, common),
  open: async (plan, _, common) => {
    const netns = await openTestbed({ kind: 'netns' }, common, plan);
    const place = (role: 'client' | 'server'): HostPlan => {
      const { name, dev, address, mtu } = netns[role].net;
      const wire = { netns: null, link: dev };
      return {
        host: name,
        steps: [],
        container: { ...wire, address, mtu, nexthop: `dev ${dev}` },
        extraContainers: [],
        path: [wire],
        bypass: [{ netns: null, link: 'lo' }],
      };
    };
    return {
      ...netns,
      kind: 'known',
      placeContainers: async () => {
        const { machine, net } = netns.server;
        const shape = `qdisc add dev ${net.dev} root tbf rate ${RATE_BPS} burst ${BURST_BYTES} limit 1000000`;
        await machine.apply([
          {
            why: 'Delay every response by a known time.',
            do: { kind: 'command', tool: 'tc', netns: null, args: shape.split(' ') },
            undo: { kind: 'qdisc', netns: null, link: net.dev },
          },
        ]);
        return { client: place('client'), server: place('server') };
      },
      [Symbol.asyncDispose]: () => netns[Symbol.asyncDispose](),
    };
  },
};

test('a delay of known size lies in the interval of the network that has it', async () => {
  using _kind = registerTestbed(KIND);
  const folder = mkdtempSync(join(tmpdir(), 'barewire-known-'));
  const input = {
    testbed: 'known',
    networks: ['host', 'delayed-wire'],
    workloads: ['4KB'],
    // A response of 4.5 kB takes 18 ms at 2 Mbit/s, so that the bucket is nearly always full again.
    rates: [10],
    connections: 4,
    restarts: 2,
    rounds: 3,
    // Whole periods of a connection, 400 ms, so that as many responses arrive as requests are sent.
    warmup: '400ms',
    slice: '2s',
  };
  try {
    const summary = await runStudy({
      spec: resolveSpec(input, 'the test', {}, () => 1),
      directory: new ResultsDirectory(join(folder, 'results')),
      startedAt: new Date().toISOString(),
      version: '0.0.0',
      signal: new AbortController().signal,
      onEvent: () => undefined,
    });
    const [host, delayed] = ['host', 'delayed-wire'].map(
      (name) => summary.networks.find((one) => one.name === name)?.cells[0],
    );
    const base = host?.latencyMs.p50.value ?? NaN;
    const { value, low, high } = delayed?.ratioToReference.p50 as {
      value: number;
      low: number;
      high: number;
    };
    // 11.6 ms, of a reference of 0.2 ms. The timers of the bucket are late by a tenth of a millisecond, and one interval in
    // twenty misses the truth by a little.
    expect((low - 1) * base).toBeLessThan(1.03 * DELAY_MS);
    expect((high - 1) * base).toBeGreaterThan(0.97 * DELAY_MS);
    expect(Math.abs((value - 1) * base - DELAY_MS)).toBeLessThan(0.1 * DELAY_MS);
    expect(delayed?.verdicts.p50?.verdict).toBe('worse');
  } finally {
    rmSync(folder, { recursive: true });
  }
});
