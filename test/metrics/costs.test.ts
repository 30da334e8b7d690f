import { describe, expect, it } from 'vitest';
import {
  idleTimesOf,
  parseIdleTimes,
  parseConntrack,
  parseNetDev,
  parsePidStat,
  parseProtocolCounters,
  parseSoftnet,
  parseStat,
} from '../../src/linux/index.js';
import { busyShare, costs, type Sample } from '../../src/metrics/index.js';

const at = (seconds: number, busy: number, counters: Record<string, number>): Sample => ({
  atNs: seconds * 1e9,
  spanNs: 0,
  idleNs: new Map(),
  cpus: new Map([
    [
      0,
      { user: busy * 0.25, system: busy * 0.5, softirq: busy * 0.25, irq: 0, steal: 0, idle: seconds - busy },
    ],
    [1, { user: 100 * seconds, system: 0, softirq: 0, irq: 0, steal: 0, idle: 0 }],
  ]),
  process: { user: busy * 0.2, system: busy * 0.6 },
  counters: new Map(Object.entries(counters)),
});

describe('the cost of a slice', () => {
  const window = [
    at(0, 0, { 'Tcp.RetransSegs': 3 }),
    at(1, 0.5, {}),
    at(2, 0.8, { 'Tcp.RetransSegs': 5, 'eth0.rx_packets': 9 }),
  ];
  const side = costs(window, [0], { achievedRps: 50_000, durationS: 2 });

  it("is the CPU time of the side's own CPUs divided by its requests", () => {
    expect(side.cpuUsPerRequest).toEqual({ user: 2, system: 4, softirq: 2 });
  });

  it('divides by the requests between late samples', () => {
    const late = costs(window.slice(1), [0], { achievedRps: 50_000, durationS: 2 });
    expect(late.cpuUsPerRequest).toEqual({ user: 1.5, system: 3, softirq: 1.5 });
  });

  it('is null where the readings cover less than half of the window, as on a starved host', () => {
    const starved = [at(1.9, 0.79, {}), window[2]!];
    expect(costs(starved, [0], { achievedRps: 50_000, durationS: 2 }).cpuUsPerRequest).toBeNull();
  });

  it('is null, not zero, where a CPU is offline at one of the edges', () => {
    expect(costs(window, [2], { achievedRps: 50_000, durationS: 2 }).cpuUsPerRequest).toBeNull();
    const { cpus, ...last } = window[2]!;
    const lost = [...window.slice(0, 2), { ...last, cpus: new Map([...cpus].filter(([cpu]) => cpu !== 0)) }];
    expect(costs(lost, [0, 1], { achievedRps: 50_000, durationS: 2 }).cpuUsPerRequest).toBeNull();
  });

  it('subtracts busy-polled time, from the other kind when one has too little', () => {
    const of = (user: number, system: number): unknown =>
      costs(window, [0], { achievedRps: 50_000, durationS: 2 }, { user, system }).cpuUsPerRequest;
    expect(of(0.1, 0.1)).toEqual({ user: 1, system: 3, softirq: 2 });
    expect(of(0.3, 0)).toEqual({ user: 0, system: 3, softirq: 2 });
    expect(of(1, 1)).toEqual({ user: 0, system: 0, softirq: 2 });
  });

  it('has its total from the idle times where the kernel reports them', () => {
    const idle = (sample: Sample, ns: number): Sample => ({ ...sample, idleNs: new Map([[0, ns]]) });
    const exact = [idle(window[0]!, 5e9), idle(window[2]!, 5e9 + 1e9)];
    const load = { achievedRps: 50_000, durationS: 2 };
    // 2 s of which 1 s was idle, over 100,000 requests; the kinds keep their proportions.
    expect(costs(exact, [0], load).cpuUsPerRequest).toEqual({ user: 2.5, system: 5, softirq: 2.5 });
  });

  it('is missing where a reading was preempted or contradicts the time stamps', () => {
    const load = { achievedRps: 50_000, durationS: 2 };
    const read = (idleNs: number, spanNs: number) =>
      costs(
        [
          { ...window[0]!, idleNs: new Map([[0, 0]]) },
          { ...window[2]!, idleNs: new Map([[0, idleNs]]), spanNs },
        ],
        [0],
        load,
      ).cpuUsPerRequest;
    expect(read(1e9, 0)).not.toBeNull();
    expect(read(1e9, 1e8)).toBeNull();
    expect(read(3e9, 0)).toBeNull();
  });

  it('is missing where the kinds of CPU time do not sum up to the time between the samples', () => {
    const load = { achievedRps: 50_000, durationS: 2.5 };
    const times = (user: number, idle: number) => ({
      user,
      system: 0.01,
      softirq: 0.02,
      irq: 0,
      steal: 0,
      idle,
    });
    const sample = (seconds: number, user: number, idle: number, spanNs = 0): Sample => ({
      ...at(seconds, 0, {}),
      spanNs,
      cpus: new Map([[0, times(user, idle)]]),
    });
    const cost = (last: Sample, cpus = [0]) => costs([sample(0, 0, 0), last], cpus, load).cpuUsPerRequest;
    // A saturated CPU whose starved agent read 0.04 s of CPU time in a window of 2.5 s.
    expect(cost(sample(2.5, 0.01, 0.01))).toBeNull();
    expect(cost(sample(2.5, 3.5, 0.01))).toBeNull();
    // A rest of a tick of each field is lost at each edge.
    expect(cost(sample(2.5, 2.35, 0.01))).not.toBeNull();
    expect(cost(sample(2.5, 2.35, 0.01, 2e8))).toBeNull();
    // The ticks of a short window are too few to check.
    expect(
      costs([sample(0, 0, 0), sample(0.15, 0.01, 0)], [0], { ...load, durationS: 0.15 }).cpuUsPerRequest,
    ).not.toBeNull();
  });

  it('is missing, not zero, for a CPU that a sample lacks', () => {
    const offline = costs(window, [0, 7], { achievedRps: 50_000, durationS: 2 });
    expect(offline.cpuUsPerRequest).toBeNull();
    expect(offline.cpuSecondsByCpu?.map(({ cpu }) => cpu)).toEqual([0]);
  });

  it('has a split per second', () => {
    expect(side.busyEachSecond).toEqual([0.5, 0.3]);
  });

  it('lists the counters that changed', () => {
    expect(side.counters).toEqual({ 'Tcp.RetransSegs': 2, 'eth0.rx_packets': 9 });
  });

  it('is zero, not infinite, without a request', () => {
    expect(costs(window, [0], { achievedRps: 0, durationS: 2 }).cpuUsPerRequest).toEqual({
      user: 0,
      system: 0,
      softirq: 0,
    });
  });

  it('counts steal neither as busy nor as idle', () => {
    expect(busyShare({ user: 1, system: 0, softirq: 0, irq: 0, steal: 50, idle: 1 })).toBe(0.5);
  });
});

describe('procfs', () => {
  it('reads the idle times of /proc/timer_list', () => {
    const text =
      'Timer List Version: v0.10\ncpu: 0\n clock 0:\n  .base: 1\n  .idle_sleeptime : 12 nsecs\ncpu: 1\n  .idle_sleeptime : 34 nsecs\n';
    expect([...parseIdleTimes(idleTimesOf(text))]).toEqual([
      [0, 12],
      [1, 34],
    ]);
  });

  it('reads /proc/stat by CPU', () => {
    const cpus = parseStat(
      'cpu  9 9 9 9 9 9 9 9 0 0\ncpu0 100 20 300 400 50 6 7 8 0 0\ncpu11 1 0 0 0 0 0 0 0 0 0\nintr 5\n',
    );
    expect(cpus.get(0)).toEqual({ user: 1.2, system: 3, idle: 4.5, irq: 0.06, softirq: 0.07, steal: 0.08 });
    expect(cpus.get(11)?.user).toBe(0.01);
    expect(cpus.size).toBe(2);
  });

  it('reads the times of a process whose name has spaces and parentheses', () => {
    expect(parsePidStat('12 (a) b (c) S 1 1 1 0 -1 0 0 0 0 0 250 130 0 0 20 0 1')).toEqual({
      user: 2.5,
      system: 1.3,
    });
  });

  it('reads the counters of a protocol by its names', () => {
    const counters = parseProtocolCounters('Tcp: A RetransSegs\nTcp: 5 77\nTcpExt: X\nTcpExt: -1\n');
    expect(Object.fromEntries(counters)).toEqual({ 'Tcp.A': 5, 'Tcp.RetransSegs': 77, 'TcpExt.X': -1 });
  });

  it('reads the counters of links', () => {
    const text =
      'Inter-|   Receive\n face |bytes\n  eth0: 10 1 2 3 0 0 0 0 40 4 5 6 0 0 0 0\nflannel.1:7 0 0 0 0 0 0 0 0 0 0 0 0 0 0 0\n';
    const counters = parseNetDev(text);
    expect(counters.get('eth0.rx_dropped')).toBe(3);
    expect(counters.get('eth0.tx_packets')).toBe(4);
    expect(counters.get('flannel.1.rx_bytes')).toBe(7);
    expect(counters.size).toBe(16);
  });

  it('sums softnet counters over CPUs', () => {
    expect(
      Object.fromEntries(parseSoftnet('0000000a 00000001 00000002\n00000010 00000000 00000001\n')),
    ).toEqual({
      'softnet.processed': 26,
      'softnet.dropped': 1,
      'softnet.time_squeeze': 3,
    });
  });
});

it('counts what a full table of connections dropped, whatever columns this kernel has', () => {
  const table = `entries  searched found new invalid ignore delete delete_list insert insert_failed drop early_drop icmp_error
0000ffff  0 1 2 3 4 5 6 7 8 0000000a 00000001 0
0000ffff  0 1 2 3 4 5 6 7 8 00000002 00000000 0
`;
  expect(Object.fromEntries(parseConntrack(table))).toEqual({
    'conntrack.dropped': 12,
    'conntrack.early_dropped': 1,
  });
  expect(parseConntrack('').size).toBe(0);
});
