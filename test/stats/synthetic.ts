import { Histogram, type SliceData } from '../../src/stats/index.js';
import type { MeasuredSlice, PlannedSlice, SideMetrics, StudyRecord } from '../../src/schema/index.js';

/** Uniform on (0, 1): mulberry32, so that every test draws the same numbers on every machine. */
export function seeded(seed: number): () => number {
  let state = seed >>> 0;
  return () => {
    state = (state + 0x6d2b79f5) >>> 0;
    let mixed = Math.imul(state ^ (state >>> 15), state | 1);
    mixed ^= mixed + Math.imul(mixed ^ (mixed >>> 7), mixed | 61);
    return (((mixed ^ (mixed >>> 14)) >>> 0) + 0.5) / 4294967296;
  };
}

export const normal = (random: () => number): number =>
  Math.sqrt(-2 * Math.log(random())) * Math.cos(2 * Math.PI * random());

export function histogramOf(samplesNs: Iterable<number>): Histogram {
  const histogram = new Histogram();
  for (const ns of samplesNs) histogram.record(ns);
  return histogram;
}

export const study = (changes: Partial<StudyRecord['spec']> = {}): StudyRecord => {
  const spec: StudyRecord['spec'] = {
    name: 'quick',
    testbed: { kind: 'netns', options: {} },
    networks: ['host', 'flannel-vxlan'],
    reference: 'host',
    references: {},
    workloads: ['350B'],
    rates: { '350B': [{ kind: 'absolute', rps: 1000 }] },
    maximum: false,
    restarts: 5,
    rounds: 1,
    timeMs: null,
    sliceGiven: true,
    durationMs: 1000,
    warmupMs: 0,
    timeoutMs: 1000,
    congestionControl: 'cubic',
    together: null,
    apart: [],
    connections: 10,
    ip: 4,
    generator: 'barewire',
    arrival: 'constant',
    seed: 1,
    margin: 0.05,
    tailMargin: 0.05,
    wire: { mtu: 1500, rateMbps: null },
    ...changes,
  };
  return {
    schema: 2,
    version: '0.1.0',
    startedAt: '2026-01-01T00:00:00.000Z',
    spec,
    networks: spec.networks.map((name) => ({
      name,
      what: `${name} of a test`,
      support: 'yes',
      finding: null,
    })),
    referenceMaxRps: { '350B': 50_000 },
    limitations: [{ code: 'limitation', limitation: 'veth-wire' }],
    environment: { client: { kernel: '6.18' } },
  };
};

const side = (): SideMetrics => ({
  cpuUsPerRequest: { user: 1, system: 4, softirq: 2 },
  cpuSeconds: { user: 0.1, system: 0.4, softirq: 0.2, irq: 0, steal: 0, idle: 0.3 },
  processCpuSeconds: { user: 0.1, system: 0.4 },
  counters: {},
  busyEachSecond: [0.7],
});

const planned: PlannedSlice = {
  id: 'r1-01',
  restart: 1,
  round: 1,
  order: 1,
  role: 'contender',
  network: 'flannel-vxlan',
  workload: '350B',
  rateRps: 1000,
  rateOfMax: null,
};

/** A measured, valid slice with these latencies, response and service alike. */
export function slice(
  plan: Partial<PlannedSlice>,
  histogram: Histogram,
  changes: Partial<MeasuredSlice> & { intended?: number } = {},
): SliceData {
  const requests = histogram.count;
  const { intended = requests, ...rest } = changes;
  const record: MeasuredSlice = {
    schema: 2,
    startedAt: '2026-01-01T00:00:10.000Z',
    wallMs: 1500,
    measuredMs: 1000,
    setup: { steps: 12, setUpMs: 40, tearDownMs: 20 },
    ...planned,
    ...plan,
    status: 'measured',
    valid: true,
    load: {
      requests,
      intended,
      durationS: 1,
      achievedRps: plan.rateRps ?? planned.rateRps,
      errors: {
        connect: 0,
        reset: 0,
        closed: 0,
        timeout: intended - requests,
        status: 0,
        length: 0,
        malformed: 0,
      },
      cpuSeconds: { user: 0.1, system: 0.4 },
      selfCheck: {
        valid: true,
        findings: [],
        offeredRps: 1000,
        achievedRps: requests,
        sendLatenessUs: { p50: 1, p99: 5, max: 9 },
        loopLagUs: { p50: 1, p99: 5, max: 9 },
        lateSends: 0,
        missedSends: 0,
        cpuShare: 0.5,
        connectionsLost: 0,
      },
    },
    metrics: { client: side(), server: side() },
    ...rest,
  };
  return { record, response: histogram, service: histogram };
}

/** A slice that did not come to be measured. */
export function failedSlice(plan: Partial<PlannedSlice>, message: string): SliceData {
  const record = {
    ...{ schema: 2 as const, startedAt: '2026-01-01T00:00:10.000Z', wallMs: 500, measuredMs: 0, setup: null },
    ...{ ...planned, ...plan },
    status: 'failed' as const,
    finding: { code: 'slice-failed' as const, error: 'path-check-failed', message },
  };
  return { record, response: null, service: null };
}

/** Log-normal latencies with a spread of 0.3. */
export const logNormal = (seed: number, n: number, medianNs: number): Histogram => {
  const random = seeded(seed);
  return histogramOf(Array.from({ length: n }, () => medianNs * Math.exp(0.3 * normal(random))));
};

/** Both runs of the reference and one of the contender, in each restart. */
export const restarts = (count: number, n: number, factor: number): SliceData[] =>
  Array.from({ length: count }, (_, restart) => [
    slice({ id: `r${restart}-1`, restart, role: 'reference', network: 'host' }, logNormal(restart, n, 1e5)),
    slice(
      { id: `r${restart}-2`, restart, role: 'control', network: 'host' },
      logNormal(restart + 100, n, 1e5),
    ),
    slice({ id: `r${restart}-3`, restart, role: 'contender' }, logNormal(restart + 200, n, 1e5 * factor)),
  ]).flat();
