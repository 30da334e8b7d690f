import { expect, test } from 'vitest';
import type { Finding, MeasuredSlice, SideMetrics } from '../../src/schema/index.js';
import { summarize, type SliceData } from '../../src/stats/index.js';
import { histogramOf, logNormal, study, slice } from './synthetic.js';

type Sides = Record<'client' | 'server', Partial<SideMetrics>>;

/** A slice whose sides moved these counters. */
function counting(sides: Partial<Sides>, histogram = logNormal(1, 2000, 1e5), restart = 0): SliceData {
  const made = slice({ id: `r${restart}-1`, restart }, histogram);
  if (made.record.status !== 'measured') throw new Error('not a measured slice');
  const { client, server } = made.record.metrics;
  const metrics = { client: { ...client, ...sides.client }, server: { ...server, ...sides.server } };
  return { ...made, record: { ...made.record, metrics } satisfies MeasuredSlice };
}
const findCauses = (...slices: SliceData[]): Finding[] =>
  summarize(study(), slices).networks[1]!.cells[0]!.tail;

test('a cell without events has no findings', () => {
  expect(
    findCauses(counting({ client: { counters: { 'Tcp.OutSegs': 4000, 'eth0.rx_packets': 4000 } } })),
  ).toEqual([]);
});

test('latencies at 200 and 405 ms are reported with the counted retransmissions', () => {
  const late = [
    ...Array.from({ length: 2990 }, () => 1e5),
    ...Array.from({ length: 9 }, () => 2.02e8),
    4.05e8,
  ];
  const counters = { 'Tcp.RetransSegs': 12, 'TcpExt.TCPTimeouts': 10, 'TcpExt.TCPLostRetransmit': 1 };
  const slices = [0, 1].map((restart) => counting({ server: { counters } }, histogramOf(late), restart));
  expect(findCauses(...slices)).toEqual([
    {
      code: 'tail-retransmission-timeout',
      quantiles: [
        { key: 'p99.9', ms: expect.closeTo(202, 0) as number },
        { key: 'max', ms: expect.closeTo(405, 0) as number },
      ],
    },
    { code: 'tail-retransmissions', resent: 24, timeouts: 20, lostAgain: 2 },
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
  const named = findCauses(counting({}, histogramOf([1e5, ms * 1e6]))).some(
    ({ code }) => code === 'tail-retransmission-timeout',
  );
  expect(named).toBe(at);
});

test('a latency at a time-out without counted retransmissions reports zero of them', () => {
  expect(findCauses(counting({}, histogramOf([1e5, 2.01e8])))[1]).toEqual({
    code: 'tail-retransmissions',
    resent: 0,
    timeouts: 0,
    lostAgain: 0,
  });
});

test('drops are reported by side, with the quantiles that they can determine', () => {
  const client = { counters: { 'eth0.tx_dropped': 15, 'softnet.dropped': 5 } };
  const server = { counters: { 'TcpExt.ListenDrops': 1 } };
  expect(findCauses(counting({ client, server }))).toEqual([
    {
      code: 'tail-drops',
      drops: [
        { side: 'client', counter: 'eth0.tx_dropped', count: 15 },
        { side: 'client', counter: 'softnet.dropped', count: 5 },
        { side: 'server', counter: 'TcpExt.ListenDrops', count: 1 },
      ],
      from: 'p99 and above',
    },
  ]);
});

test('steal is reported by side', () => {
  const cpuSeconds = { user: 1, system: 2, softirq: 0, irq: 0, steal: 0.1, idle: 0.9 };
  expect(findCauses(counting({ server: { cpuSeconds } }))).toEqual([
    { code: 'tail-steal', side: 'server', share: expect.closeTo(0.025, 6) as number },
  ]);
});

test("the generator's stalls are reported with the quantiles that they can determine", () => {
  const made = counting({});
  if (made.record.status !== 'measured') throw new Error('not a measured slice');
  const { load } = made.record;
  const stalls = { count: 4, totalMs: 9, maxMs: 3.1, requestShare: 0.006 };
  const selfCheck = { ...load.selfCheck, stalls };
  const record = { ...made.record, load: { ...load, selfCheck } } as MeasuredSlice;
  expect(findCauses({ ...made, record })).toEqual([
    {
      code: 'tail-generator-stalls',
      count: 4,
      maxMs: 3.1,
      share: expect.closeTo(0.006, 6) as number,
      from: 'p99.5 and above',
    },
  ]);
});

test('quantiles several times as high in one slice as in another are reported', () => {
  const [calm, rough] = [logNormal(1, 400, 1e5), logNormal(2, 400, 1e5)];
  for (let i = 0; i < 30; i++) rough.record(9e6);
  const [cause] = findCauses(counting({}, calm, 0), counting({}, rough, 1));
  expect(cause).toMatchObject({
    code: 'tail-unsteady',
    quantiles: expect.arrayContaining(
      ['p95', 'p99'].map((key): unknown => expect.objectContaining({ key })),
    ) as object,
  });
});
