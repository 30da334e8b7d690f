import { expect, test } from 'vitest';
import type { MeasuredSlice, SideMetrics } from '../../src/schema/index.js';
import { summarize, type SliceData } from '../../src/stats/index.js';
import { histogramOf, logNormal, study, slice } from './synthetic.js';

type Sides = Record<'client' | 'server', Partial<SideMetrics>>;

/** A slice whose sides moved these counters. */
function counting(sides: Partial<Sides>, histogram = logNormal(1, 2000, 1e5), restart = 0): SliceData {
  const made = slice({ id: `b${restart}-1`, restart }, histogram);
  if (made.record.status !== 'measured') throw new Error('not a measured slice');
  const { client, server } = made.record.metrics;
  const metrics = { client: { ...client, ...sides.client }, server: { ...server, ...sides.server } };
  return { ...made, record: { ...made.record, metrics } satisfies MeasuredSlice };
}
const tailOf = (...slices: SliceData[]): string[] => summarize(study(), slices).networks[1]!.cells[0]!.tail;

test('a quiet cell has nothing to explain', () => {
  expect(
    tailOf(counting({ client: { counters: { 'Tcp.OutSegs': 4000, 'eth0.rx_packets': 4000 } } })),
  ).toEqual([]);
});

test('latencies at 200 and 405 ms are named with the retransmissions that the kernel counted', () => {
  const late = [
    ...Array.from({ length: 2990 }, () => 1e5),
    ...Array.from({ length: 9 }, () => 2.02e8),
    4.05e8,
  ];
  const counters = { 'Tcp.RetransSegs': 12, 'TcpExt.TCPTimeouts': 10, 'TcpExt.TCPLostRetransmit': 1 };
  const slices = [0, 1].map((restart) => counting({ server: { counters } }, histogramOf(late), restart));
  expect(tailOf(...slices)).toEqual([
    'p99.9 (202 ms), max (405 ms): at a retransmission time-out of TCP (200 ms, doubling); TCP segments: ' +
      '24 sent again (RetransSegs), 20 timed out (TCPTimeouts), 2 lost once more (TCPLostRetransmit)',
  ]);
});

test.each([
  [199, false],
  [201, true],
  [230, false],
  [405, true],
  [603, true],
  [700, false],
  [1402, true],
  [5, false],
])('a greatest sample of %i ms is at a time-out: %s', (ms, at) => {
  const named = tailOf(counting({}, histogramOf([1e5, ms * 1e6]))).some((line) =>
    line.includes('retransmission'),
  );
  expect(named).toBe(at);
});

test('a latency at a time-out without a counted retransmission says that none was counted', () => {
  expect(tailOf(counting({}, histogramOf([1e5, 2.01e8])))[0]).toContain('the kernel counted none');
});

test('drops are named by side, with the quantiles that so many can decide', () => {
  const client = { counters: { 'eth0.tx_dropped': 15, 'softnet.dropped': 5 } };
  const server = { counters: { 'TcpExt.ListenDrops': 1 } };
  expect(tailOf(counting({ client, server }))).toEqual([
    'dropped: client eth0.tx_dropped 15, client softnet.dropped 5, server TcpExt.ListenDrops 1; enough to decide p99 and above',
  ]);
});

test('steal is named by side', () => {
  const cpuSeconds = { user: 1, system: 2, softirq: 0, irq: 0, steal: 0.1, idle: 0.9 };
  expect(tailOf(counting({ server: { cpuSeconds } }))).toEqual([
    "steal: the hypervisor took 2.5 % of the server's CPU time",
  ]);
});

test("the generator's own stalls are named with the quantiles that they can decide", () => {
  const made = counting({});
  if (made.record.status !== 'measured') throw new Error('not a measured slice');
  const { load } = made.record;
  const stalls = { count: 4, totalMs: 9, maxMs: 3.1, requestShare: 0.006 };
  const selfCheck = { ...load.selfCheck, stalls };
  const record = { ...made.record, load: { ...load, selfCheck } } as MeasuredSlice;
  expect(tailOf({ ...made, record })).toEqual([
    'the generator stood still 4 times, up to 3.1 ms, which 0.60 % of the requests met: enough to decide p99.5 and above',
  ]);
});

test('quantiles that are several times as high in one slice as in another are named', () => {
  const [calm, rough] = [logNormal(1, 400, 1e5), logNormal(2, 400, 1e5)];
  for (let i = 0; i < 30; i++) rough.record(9e6);
  expect(tailOf(counting({}, calm, 0), counting({}, rough, 1))[0]).toMatch(
    /^unsteady from slice to slice: p95 \(0\.\d+ to 9\.0 ms\), p99 \(0\.\d+ to 9\.0 ms\)/,
  );
});
