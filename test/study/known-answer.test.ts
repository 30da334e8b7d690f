import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdtempSync, rmSync } from 'node:fs';
import { cpus, tmpdir } from 'node:os';
import { join } from 'node:path';
import { expect, test, vi } from 'vitest';
import * as z from 'zod';
import type { GivenNetwork } from '../../src/network/index.js';
import { ResultsDirectory, resolveSpec, runStudy } from '../../src/study/index.js';
import { registerTestbed, type TestbedKind } from '../../src/testbed/index.js';
import { limitSending, wireTestbed } from '../testbed/wire-testbed.js';

vi.setConfig({ testTimeout: 240_000 });

const DELAYED: GivenNetwork = { kind: 'given', name: 'delayed-wire', what: 'the wire with a token bucket' };
/** Fast enough for the pings of the path check, which are 2 ms apart. */
const RATE_BPS = 20e6;
const BURST_BYTES = 1_600;
/** nginx's header, as long as the real one. */
const HEADER =
  'HTTP/1.1 200 OK\r\nServer: nginx\r\nDate: Thu, 26 Nov 2026 12:00:00 GMT\r\nContent-Type: application/octet-stream\r\n' +
  'Content-Length: 4096\r\nLast-Modified: Thu, 26 Nov 2026 12:00:00 GMT\r\nConnection: keep-alive\r\n' +
  'Accept-Ranges: bytes\r\n\r\n';
/** In three segments, each with 66 bytes of headers. What exceeds the full bucket waits for its tokens: 1.17 ms. */
const DELAY_MS = ((4_096 + HEADER.length + 3 * 66 - BURST_BYTES) * 8e3) / RATE_BPS;
/** The second and the third segment each wait for a timer, which wakes an idle virtual CPU up to 0.15 ms late. */
const LATE_MS = 0.3;

/** Its server sends through a token bucket on the given network: full after a pause, then at its rate. */
const KIND: TestbedKind<Record<string, never>> = {
  ...wireTestbed('known', DELAYED, ({ server }) => limitSending(server, RATE_BPS, BURST_BYTES)),
  usage: ['known'],
  optionsSchema: z.strictObject({}),
  parse: (text) => (text === null ? {} : null),
};

test('a delay of known size lies in the interval of the network that has it', async () => {
  using _kind = registerTestbed(KIND);
  // A virtual CPU that sleeps between requests is woken when its host has a CPU for it, which is no part of the answer.
  const idle = ['--pdeathsig', 'KILL', 'chrt', '--idle', '0'];
  const awake = cpus().map((_, cpu) =>
    spawn('setpriv', [...idle, 'taskset', '-c', String(cpu), 'sh', '-c', 'while :; do :; done']),
  );
  const folder = mkdtempSync(join(tmpdir(), 'barewire-known-'));
  const input = {
    testbed: 'known',
    networks: ['host', 'delayed-wire'],
    workloads: ['4KB'],
    // A request each 2.5 ms. A response of 4.5 kB takes 2 ms at 20 Mbit/s, so that the bucket is full again.
    rates: [400],
    connections: 1,
    // Enough for a narrow interval when a restart is disturbed. Of many requests one stall is a small share, so that slices are valid.
    restarts: 5,
    rounds: 3,
    warmup: '200ms',
    slice: '1s',
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
    const [base, slow] = [host, delayed].map((cell) => cell?.latencyMs.p50.value ?? NaN) as [number, number];
    expect(slow - base).toBeGreaterThan(0.95 * DELAY_MS);
    expect(slow - base).toBeLessThan(DELAY_MS + LATE_MS);
    const { low, high } = delayed?.ratioToReference.p50 as { low: number; high: number };
    expect(low).toBeLessThan((base + DELAY_MS + LATE_MS) / base);
    expect(high).toBeGreaterThan((base + DELAY_MS) / base);
    // A delay half as long would be outside.
    expect(low).toBeGreaterThan((base + DELAY_MS / 2) / base);
    expect(delayed?.verdicts.p50?.verdict).toBe('worse');
  } finally {
    await Promise.all(awake.map((child) => (child.kill('SIGKILL'), once(child, 'exit'))));
    rmSync(folder, { recursive: true });
  }
});
