import fc from 'fast-check';
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, test } from 'vitest';
import { EXTERNAL_GENERATORS, type ExternalName } from '../../src/load/index.js';
import type { LoadPlan } from '../../src/schema/index.js';
import { Histogram } from '../../src/stats/index.js';
import { externalResult } from '../../src/load/external/result.js';
import { planFor } from './servers.js';

const job = (changes: Partial<LoadPlan> = {}, rateRps = 2000) => ({
  plan: planFor(8080, { mode: { kind: 'open', rateRps, arrival: 'constant' }, ...changes }),
  rateRps,
  program: 'tool',
  dir: '/run/here',
  responseBytes: 350,
});
const read = (name: ExternalName, text: string, changes: Partial<LoadPlan> = {}, aggregated = '') =>
  EXTERNAL_GENERATORS[name].read(job(changes), { text, aggregated });

/** From the README of wrk2, cut to some lines of its spectrum; the second part as `print_hdr_latency` has it. */
const WRK2 = `Running 30s test @ http://127.0.0.1:80/index.html
  2 threads and 100 connections
  Thread calibration: mean lat.: 10.087ms, rate sampling interval: 22ms
  Thread calibration: mean lat.: 10.139ms, rate sampling interval: 21ms
  Thread Stats   Avg      Stdev     Max   +/- Stdev
    Latency     6.60ms    1.92ms  12.50ms   68.46%
    Req/Sec     1.04k     1.08k    2.50k    72.79%
  Latency Distribution (HdrHistogram - Recorded Latency)
 50.000%    6.67ms
 75.000%    7.78ms
100.000%   12.50ms

  Detailed Percentile spectrum:
       Value   Percentile   TotalCount 1/(1-Percentile)

       0.921     0.000000            1         1.00
       4.053     0.100000         3951         1.11
       6.671     0.500000        19783         2.00
       9.143     0.900000        35570        10.00
      12.415     0.999707        39489      3413.33
      12.503     0.999976        39500     40960.00
      12.503     1.000000        39500          inf
#[Mean    =        6.602, StdDeviation   =        1.919]
#[Max     =       12.496, Total count    =        39500]
#[Buckets =           27, SubBuckets     =         2048]
----------------------------------------------------------

  Latency Distribution (HdrHistogram - Uncorrected Latency (measured without taking delayed starts into account))
 50.000%  180.00us
100.000%    1.20ms

  Detailed Percentile spectrum:
       Value   Percentile   TotalCount 1/(1-Percentile)

       0.061     0.000000            2         1.00
       0.180     0.500000        20000         2.00
       1.201     1.000000        39500          inf
#[Mean    =        0.200, StdDeviation   =        0.100]
#[Max     =        1.201, Total count    =        39500]
#[Buckets =           27, SubBuckets     =         2048]
----------------------------------------------------------
  60018 requests in 30.00s, 19.81MB read
  Socket errors: connect 0, read 1, write 2, timeout 3
Requests/sec:   2000.28
Transfer/sec:    676.18KB
`;
const WRK2_PLAN: Partial<LoadPlan> = { threads: 2, connections: 100, durationMs: 19_000 };

describe('wrk2', () => {
  test('reads both spectra into histograms, each sample at the upper of its two lines', () => {
    const { response, service, requests } = read('wrk2', WRK2, WRK2_PLAN);
    expect(requests).toBe(39_500);
    expect(response.count).toBe(39_500);
    expect(response.quantile(0.1) / 1e6).toBeCloseTo(4.053, 2);
    expect(response.quantile(0.5) / 1e6).toBeCloseTo(6.671, 2);
    expect(response.max / 1e6).toBeCloseTo(12.503, 1);
    expect(service.quantile(0.5) / 1e6).toBeCloseTo(0.18, 3);
  });

  test('counts its errors, and the window from the end of its calibration', () => {
    const { errors, durationS } = read('wrk2', WRK2, WRK2_PLAN);
    expect(errors).toEqual({ connect: 0, reset: 3, timeout: 3 });
    expect(durationS).toBeCloseTo(30 - 10.25, 6);
  });

  test('runs for its calibration plus the window, at the rate of all connections', () => {
    const { argv, opens } = EXTERNAL_GENERATORS.wrk2.run(job(WRK2_PLAN, 12_345.6));
    expect(argv.join(' ')).toBe(
      'tool -t 2 -c 100 -d 30s --timeout 1s -R 12346 --latency --u_latency http://127.0.0.1:8080/f',
    );
    expect(opens).toEqual({ afterMs: 10_250 });
  });

  test('reports responses with an error status', () => {
    const text = WRK2.replace('Requests/sec', '  Non-2xx or 3xx responses: 7\nRequests/sec');
    expect(read('wrk2', text, WRK2_PLAN).findings).toEqual([
      { code: 'error-statuses-timed', generator: 'wrk2', responses: 7 },
    ]);
  });

  test.each([
    ['that was cut off', WRK2.slice(0, 1500)],
    ['without its second spectrum', WRK2.replace('Uncorrected', 'Other')],
    ['of a thread that never calibrated', WRK2.replace('  Thread calibration: mean lat.: 10.087', '')],
    ['whose counts do not ascend', WRK2.replace('19783', '99783')],
    [
      'whose last line lacks samples',
      WRK2.replaceAll('Total count    =        39500', 'Total count    =        39600'),
    ],
  ])('refuses an output %s', (_, text) => {
    expect(() => read('wrk2', text, WRK2_PLAN)).toThrow(/Unknown output of wrk2/);
  });
});

/** As `engine_terminate` and `print_latency_hdr_histrogram_percentiles` of tcpkali print it. */
const tcpkali = (latency: string): string => `Destination: [127.0.0.1]:8080
Ramped up to 8 connections.
Total data sent:     1.1 MiB (${3000 * 36} bytes)
Total data received: 1.0 MiB (${2998 * 350} bytes)
Bandwidth per channel: 1.001⇅ Mbps (125.1 kBps)
Aggregate bandwidth: 2.798↓, 0.320↑ Mbps
Packet rate estimate: 1000.1↓, 1000.2↑ (1↓, 1↑ TCP MSS/op)
${latency}Test duration: 1.5 s.
`;
const percentiles =
  (/^.*--latency-percentiles (\S+)/.exec(EXTERNAL_GENERATORS.tcpkali.run(job()).argv.join(' ')) ??
    [])[1]?.split(',') ?? [];
const marker = (of: (percentile: number) => number): string =>
  `Message latency at percentiles: ${percentiles.map((name) => of(Number(name)).toFixed(1)).join('/')} ms ` +
  `(${percentiles.join('/')}%)\n`;

describe('tcpkali', () => {
  test('counts responses by bytes and rebuilds the distribution from percentiles', () => {
    const output = read('tcpkali', tcpkali(marker((percentile) => (percentile <= 90 ? 0.2 : 1.5))));
    expect(output.requests).toBe(2998);
    expect(output.durationS).toBe(1.5);
    expect(output.response.count).toBe(2998);
    // Cut to 0.1 ms: what it calls 0.2 lies below 0.3.
    expect(output.response.quantile(0.89) / 1e6).toBeCloseTo(0.3, 3);
    expect(output.response.quantile(0.95) / 1e6).toBeCloseTo(1.6, 2);
  });

  test('counts sends without a response, except one in flight per connection', () => {
    const none = marker(() => 0.1);
    expect(read('tcpkali', tcpkali(none)).unanswered).toBe(0);
    const lost = tcpkali(none).replace(String(2998 * 350), String(2000 * 350));
    expect(read('tcpkali', lost).unanswered).toBe(1000);
  });

  test('is given the rate of one connection', () => {
    const { argv, files } = EXTERNAL_GENERATORS.tcpkali.run(
      job({ connections: 8, durationMs: 1500 }, 10_000),
    );
    expect(argv).toContain('1250');
    expect(argv.join(' ')).toContain('--connections 8 --connect-rate 10000 --duration 1.5s');
    expect(files).toEqual([
      { path: '/run/here/request', content: 'GET /f HTTP/1.1\r\nHost: 127.0.0.1\r\n\r\n' },
    ]);
  });

  test.each([
    ['without latencies', tcpkali('')],
    ['with other percentiles', tcpkali('Message latency at percentiles: 0.1/0.2 ms (50/99%)\n')],
    ['without its duration', tcpkali(marker(() => 0.1)).replace('Test duration', 'Duration')],
  ])('refuses an output %s', (_, text) => {
    expect(() => read('tcpkali', text)).toThrow(/Unknown output of tcpkali/);
  });
});

const wrk = (latency: string, requests = 10, timeouts = 0): string =>
  `barewire open\nRunning 1s test @ x\n\nbarewire close\n` +
  `barewire summary 1000000 ${requests} 0 0 0 0 ${timeouts}\nbarewire latency${latency}\n`;

/** What wrk does to its counts when it ends, by its source: from small to great, adding to smaller ones only. */
function correct(counts: ReadonlyMap<number, number>, stepUs: number): Map<number, number> {
  const all = new Map(counts);
  for (const us of [...counts.keys()].sort((a, b) => a - b).filter((value) => value >= 2 * stepUs))
    for (let less = us - stepUs; less > stepUs; less -= stepUs)
      all.set(less, (all.get(less) ?? 0) + (counts.get(us) ?? 0));
  return all;
}

describe('wrk', () => {
  const one: Partial<LoadPlan> = { connections: 1 };

  test('removes exactly what its correction added', () => {
    // 10 requests in 1 s on one connection: 100,000 µs each. For the one of 350,000 it adds 250,000 and 150,000.
    const { response, requests } = read('wrk', wrk(' 1000:9 150000:1 250000:1 350000:1'), one);
    expect(requests).toBe(10);
    expect([...response.cells()].map(({ count }) => count)).toEqual([9, 1]);
    expect(response.max / 1e6).toBeCloseTo(350, 0);
  });

  test('keeps a measured latency equal to an added one', () => {
    const { response } = read('wrk', wrk(' 1000:8 150000:2 250000:2 350000:1'), one);
    expect([...response.cells()].map(({ lowNs, count }) => [Math.round(lowNs / 1e6), count])).toEqual([
      [1, 8],
      [250, 1],
      [350, 1],
    ]);
  });

  test('recovers the measured latencies behind any correction', () => {
    const measured = fc.array(fc.integer({ min: 1, max: 2000 }), { minLength: 1, maxLength: 60 });
    fc.assert(
      fc.property(measured, fc.integer({ min: 1000, max: 50_000 }), (all, durationUs) => {
        const counts = new Map<number, number>();
        for (const us of all) counts.set(us, (counts.get(us) ?? 0) + 1);
        const corrected = correct(counts, Math.floor(durationUs / all.length));
        const text = wrk([...corrected].map(([us, count]) => ` ${us}:${count}`).join(''), all.length);
        const { response } = read('wrk', text.replace('1000000', String(durationUs)), one);
        const kept = new Histogram();
        for (const us of all) kept.record(us * 1000);
        expect(response.counts).toEqual(kept.counts);
      }),
    );
  });

  test('keeps the latencies of a wrk without correction', () => {
    expect(read('wrk', wrk(' 1000:9 350000:1'), one).response.count).toBe(10);
  });

  test('counts responses after the time-out as errors', () => {
    const { requests, errors } = read('wrk', wrk(' 1000:9', 10, 1), one);
    expect({ requests, errors }).toEqual({ requests: 9, errors: { connect: 0, reset: 0, timeout: 1 } });
  });

  test('reports fewer connections than requested', () => {
    const { findings } = read('wrk', wrk(' 1000:10'), { connections: 7, threads: 2 });
    expect(findings).toEqual([{ code: 'connections-fewer', generator: 'wrk', missing: 1 }]);
  });

  test.each([
    ['that lacks a summary', 'barewire latency 1:1\n'],
    ['that lacks latencies', wrk('').replace('latency', 'lat')],
    ['whose latencies are no numbers', wrk(' 10:x')],
    ['that lacks answers', wrk(' 1000:8')],
  ])('refuses an output %s', (_, text) => {
    expect(() => read('wrk', text, one)).toThrow(/Unknown output of wrk/);
  });
});

const h2load = (done: number, rest = '0 errored, 0 timeout'): string =>
  `finished in 1.20s, 5 req/s, 1KB/s\nrequests: ${done} total, ${done} started, ${done} done, ${done} succeeded, 0 failed, ${rest}\n`;

describe('h2load', () => {
  test('reads its log, excludes the warm-up and classifies errors by status', () => {
    const output = read('h2load', h2load(8), {}, '200 100 5\n503 90 1\n0 400 1\n-1 80 1\n');
    expect(output.requests).toBe(5);
    expect(output.errors).toEqual({ timeout: 0, closed: 0, status: 1 });
    expect(output.response.quantile(1) / 1e3).toBeCloseTo(100, 0);
  });

  test('distinguishes time-outs from closed connections', () => {
    const output = read('h2load', h2load(1, '5 errored, 2 timeout'), {}, '200 100 1\n');
    expect(output.errors).toMatchObject({ timeout: 2, closed: 3 });
  });

  test('is given the rate of one connection', () => {
    expect(EXTERNAL_GENERATORS.h2load.run(job({ connections: 8 }, 10_000)).argv).toContain('--rps=1250');
  });

  test.each([
    ['another number of lines', h2load(8), '200 100 5\n'],
    ['a line that is none', h2load(8), '200 fast 8\n'],
    ['no summary', 'finished in 1.20s\n', '200 100 8\n'],
  ])('refuses %s', (_, text, aggregated) => {
    expect(() => read('h2load', text, {}, aggregated)).toThrow(/Unknown output of h2load/);
  });
});

/** Printed by the real programs, which cannot be had everywhere. See test/load/external-programs.test.ts. */
const recorded = (name: string): string =>
  readFileSync(join(import.meta.dirname, 'recorded', `${name}.txt`), 'utf8');
const judge = (name: ExternalName, text: string, changes: Partial<LoadPlan>, responseBytes: number) => {
  const asked = job({ threads: 1, ...changes }, 1000);
  const figures = EXTERNAL_GENERATORS[name].read({ ...asked, responseBytes }, { text, aggregated: '' });
  const cpu = { user: 0.1, system: 0.1, wallS: 12 };
  return { figures, result: externalResult(EXTERNAL_GENERATORS[name], asked.plan, figures, cpu) };
};

describe('recorded output', () => {
  const wrk2Plan: Partial<LoadPlan> = { connections: 16, durationMs: 1900 };

  test('of wrk2 at its rate is valid', () => {
    const { figures, result } = judge('wrk2', recorded('wrk2-at-rate'), wrk2Plan, 338);
    expect(result).toMatchObject({ requests: 1917, intended: 1917, selfCheck: { valid: true } });
    expect(figures.durationS).toBeCloseTo(1.92, 6);
    expect(figures.response.quantile(0.5) / 1e6).toBeCloseTo(0.87, 1);
    expect(figures.service.quantile(0.5) / 1e6).toBeCloseTo(0.082, 2);
  });

  test('of wrk2 with a slow server is invalid: the rate was missed', () => {
    const { result } = judge('wrk2', recorded('wrk2-slow-server'), wrk2Plan, 138);
    expect(result.selfCheck.findings).toEqual([
      expect.objectContaining({ code: 'rate-missed', generator: 'wrk2', achievedRps: 306, offeredRps: 1000 }),
    ]);
  });

  const tcpkaliPlan: Partial<LoadPlan> = { connections: 8, durationMs: 1500 };

  test('of tcpkali at its rate is valid', () => {
    const { figures, result } = judge('tcpkali', recorded('tcpkali-at-rate'), tcpkaliPlan, 338);
    expect(result).toMatchObject({ requests: 1496, selfCheck: { valid: true, findings: [] } });
    expect(figures.durationS).toBeCloseTo(1.50039, 6);
  });

  test('of tcpkali with closed connections is invalid: requests were lost and the rate was missed', () => {
    const { figures, result } = judge(
      'tcpkali',
      recorded('tcpkali-closed-connections'),
      { ...tcpkaliPlan, target: { address: '127.0.0.1', port: 8282, path: '/once', host: 'x' } },
      333,
    );
    expect(figures.unanswered).toBeGreaterThan(8);
    expect(result.selfCheck.findings.map(({ code }) => code)).toEqual(['rate-missed']);
  });

  test.each([
    ['more', 990, false],
    ['more', 980, true],
    ['less', 1005, false],
    ['less', 1020, true],
  ])('of wrk2 that sent %s than a rate of %i', (_, rateRps, isMissed) => {
    const mode: LoadPlan['mode'] = { kind: 'open', rateRps, arrival: 'constant' };
    const { result } = judge('wrk2', recorded('wrk2-at-rate'), { ...wrk2Plan, mode }, 338);
    expect(result.selfCheck.valid).toBe(!isMissed);
  });
});

test('each external generator lists its own limits', () => {
  for (const { limits, name } of Object.values(EXTERNAL_GENERATORS)) {
    expect(limits.length).toBeGreaterThan(2);
    for (const limit of limits) expect(limit).toMatchObject({ code: 'external-limit', generator: name });
  }
});
