import {
  groupFindings,
  LATENCY_KEYS,
  missing,
  QUANTILES,
  type Cell,
  type Estimate,
  type Finding,
  type LatencyEstimates,
  type LatencyKey,
  type NetworkSummary,
  type Summary,
} from '../../src/schema/index.js';

export interface FixtureOptions {
  /** One restart leaves every figure without an interval. */
  readonly restarts?: number;
}

/** How far each network is from `host`, and what its steps cost: the order of the 2015 study. */
const NETWORKS = [
  { name: 'host', what: 'the host’s own stack, no container network', factor: 1, steps: 0 },
  { name: 'flannel-vxlan', what: 'vxlan × bridge', factor: 1.46, steps: 27 },
  { name: 'ipvlan', what: 'flat × ipvlan-l2', factor: 1.06, steps: 9 },
  { name: 'flannel-host-gw', what: 'host-gw × bridge', factor: 1.24, steps: 21 },
  { name: 'macvlan', what: 'flat × macvlan', factor: 1.02, steps: 9 },
] as const;
export const UNSUPPORTED: Finding = {
  code: 'link-type-missing',
  type: 'ipvlan',
  detail: 'mode L3S: EOPNOTSUPP',
};
export const FAILED: Finding = {
  code: 'slice-failed',
  error: 'step-failed',
  message: 'ip route add 10.90.2.0/24 via 10.0.0.2: No route to host',
};

const SITUATIONS = [
  { workload: '350B', rateRps: 20_000, rateOfMax: 0.25, baseMs: 0.118 },
  { workload: '350B', rateRps: 40_000, rateOfMax: 0.5, baseMs: 0.152 },
  { workload: '350B', rateRps: 64_000, rateOfMax: 0.8, baseMs: 0.31 },
  { workload: '4KB', rateRps: 10_000, rateOfMax: 0.25, baseMs: 0.141 },
  { workload: '4KB', rateRps: 20_000, rateOfMax: 0.5, baseMs: 0.188 },
  { workload: '4KB', rateRps: 32_000, rateOfMax: 0.8, baseMs: 0.402 },
] as const;
type Where = (typeof SITUATIONS)[number];

const SATURATED: Finding = {
  code: 'generator-saturated',
  generator: 'a generator thread',
  share: 0.98,
  limitShare: 0.97,
};

/** A wave instead of a random source, so that every run of the tests sees the same page. */
const wobble = (seed: number): number => 1 + 0.03 * Math.sin(seed * 12.9898);

/** Grows slowly to p99, then as tails do. */
const shape = (quantile: number): number => {
  const nines = -Math.log10(1 - quantile);
  return 1 + 0.35 * nines + 0.09 * nines ** 3.1;
};

export function fixtureSummary({ restarts = 6 }: FixtureOptions = {}): Summary {
  return {
    schema: 2,
    study: 'quick',
    testbed: 'netns',
    startedAt: '2026-03-14T09:26:53Z',
    reference: 'host',
    restarts,
    margin: 0.05,
    tailMargin: 0.2,
    complete: true,
    plannedSlices: restarts * SITUATIONS.length * 6,
    slices: restarts * SITUATIONS.length * 6,
    wallS: 1443,
    measuringShare: 0.712,
    warnings: [
      { code: 'governor', governor: 'powersave' },
      ...(restarts === 1 ? [{ code: 'single-restart' } as const] : []),
    ],
    refused: [],
    limitations: [
      { code: 'limitation', limitation: 'veth-wire' },
      { code: 'limitation', limitation: 'shared-cpus' },
    ],
    decision: {
      network: 'macvlan',
      objective: 'p99',
      criteria: [{ kind: 'latency', latency: 'p99', at: null, weight: 1 }],
      rates: 'all rates',
      ratioToReference: figure(1.02, 0.05, restarts),
      reasons: [
        {
          code: 'decision-beats',
          network: 'flannel-vxlan',
          by: 'p99',
          ratio: 1.43,
          lowRatio: 1.38,
          highRatio: 1.49,
        },
      ],
      flipsIf: [],
      runnersUp: [
        {
          network: 'flannel-vxlan',
          sustained: true,
          ratioToBest: figure(1.43, 0.04, restarts),
          medianRatioToBest: figure(1.41, 0.02, restarts),
          tie: false,
          verdict: { verdict: 'worse', restartsNeeded: null },
        },
      ],
    },
    networks: [
      ...NETWORKS.map((network, index) => measured(network, index, restarts)),
      notMeasured('ipvlan-l3s', 'host-gw × ipvlan-l3s', 'unsupported', UNSUPPORTED),
      notMeasured('flannel-aws-vpc', 'aws-vpc × bridge', 'failed', FAILED),
    ],
    control: {
      aa: {
        p50: figure(1.002, 0.012, restarts),
        p99: figure(1.011, 0.045, restarts),
        'p99.99': figure(0.96, 0.21, restarts),
        'p99.999': {
          value: null,
          finding: { code: 'too-few-samples', needed: 368_887, has: 240_000 },
        },
      },
      trusted: restarts === 1 ? null : true,
    },
    environment: {
      client: {
        kernel: '6.18.5',
        cpu: 'AMD EPYC 7B13',
        cpus: 2,
        governor: null,
        smt: false,
        clocksource: 'kvm-clock',
      },
      server: {
        kernel: '6.18.5',
        cpu: 'AMD EPYC 7B13',
        cpus: 2,
        governor: null,
        smt: false,
        clocksource: 'kvm-clock',
      },
    },
  };
}

const figure = (value: number, spread: number, restarts: number): Estimate => ({
  value,
  low: restarts > 1 ? value * (1 - spread) : null,
  high: restarts > 1 ? value * (1 + spread) : null,
});

const notMeasured = (
  name: string,
  what: string,
  status: 'unsupported' | 'failed',
  finding: Finding,
): NetworkSummary => ({ name, what, status, finding, setup: null, maxRps: null, kneeRps: null, cells: [] });

function measured(
  { name, what, factor, steps }: (typeof NETWORKS)[number],
  index: number,
  restarts: number,
): NetworkSummary {
  return {
    name,
    what,
    status: 'measured',
    finding: null,
    setup: { steps, ms: steps * 1.83, tearDownMs: steps * 0.71 },
    kneeRps: name === 'flannel-vxlan' ? 40_000 : null,
    maxRps: name === 'host' ? { value: 80_240, low: null, high: null } : null,
    cells: SITUATIONS.map((where, place) => cell(where, name, factor, index * 10 + place, restarts)),
  };
}

function cell(where: Where, network: string, factor: number, seed: number, restarts: number): Cell {
  const samples = where.rateRps * 4 * restarts;
  const invalid = network === 'flannel-vxlan' && where.rateOfMax === 0.8;
  const dead = invalid && where.workload === '4KB';
  const scale = where.baseMs * factor * wobble(seed);
  return {
    workload: where.workload,
    rateRps: where.rateRps,
    rateOfMax: where.rateOfMax,
    achievedRps: dead ? 0 : where.rateRps - 3,
    slices: dead ? 0 : restarts - (invalid && restarts > 1 ? 1 : 0),
    invalidSlices: dead ? restarts : invalid ? 1 : 0,
    failedSlices: 0,
    sustained: dead ? null : true,
    samples: dead ? 0 : samples,
    latencyMs: figures((key) => latency(key, scale, samples, dead, restarts)),
    pooledMs: figures((key) => latency(key, scale * 1.1, samples, dead, restarts)),
    variance: { betweenRestarts: 0.01, betweenRounds: 0.1 },
    serviceMs: figures((key) => latency(key, scale * 0.97, samples, dead, restarts)),
    ...comparison(network, factor * wobble(seed + 3), dead, restarts),
    cpuUsPerRequest: dead
      ? null
      : {
          client: { user: 1.42, system: 5.18 * factor ** 0.5, softirq: 2.11 * factor },
          server: { user: 2.03, system: 6.72 * factor ** 0.5, softirq: 2.64 * factor ** 2 },
        },
    ...(network === 'host' ? {} : { cpuRatioToReference: cpuRatio(factor, dead, restarts) }),
    limit: dead ? null : { code: 'limit-none', side: 'server', share: 0.4 },
    cpuLoad: {
      client: [{ cpu: 0, user: 0.2, system: 0.3, softirq: 0.1, irq: 0, steal: 0, idle: 0.4 }],
      server: [{ cpu: 1, user: 0.1, system: 0.2, softirq: 0.1, irq: 0, steal: 0.01, idle: 0.59 }],
    },
    tail:
      network === 'flannel-vxlan' && where.rateOfMax === 0.5
        ? [{ code: 'tail-retransmissions', resent: 20, timeouts: 14, lostAgain: 0 }]
        : [],
    selfCheck: invalid
      ? { valid: !dead, findings: groupFindings([SATURATED]) }
      : { valid: true, findings: [] },
    curve: dead ? [] : curve(scale, samples),
  };
}

const cpuRatio = (factor: number, dead: boolean, restarts: number): Estimate =>
  dead ? missing({ code: 'no-valid-slice' }) : figure(factor ** 0.7, 0.02, restarts);

const figures = (of: (key: LatencyKey) => Estimate): LatencyEstimates =>
  Object.fromEntries(LATENCY_KEYS.map((key) => [key, of(key)])) as LatencyEstimates;

const NEEDS: Partial<Record<LatencyKey, number>> = { 'p99.99': 36_887, 'p99.999': 368_887 };

function latency(key: LatencyKey, scale: number, samples: number, dead: boolean, restarts: number): Estimate {
  if (dead) return missing({ code: 'no-valid-slice' });
  const needs = NEEDS[key] ?? 0;
  if (samples < needs) return missing({ code: 'too-few-samples', needed: needs, has: samples });
  const quantile = key === 'max' ? 1 - 1 / samples : QUANTILES[key];
  return figure(scale * shape(quantile), 0.02 * -Math.log10(1 - quantile), key === 'max' ? 1 : restarts);
}

function comparison(
  network: string,
  ratio: number,
  dead: boolean,
  restarts: number,
): Pick<Cell, 'ratioToReference' | 'verdicts'> {
  if (network === 'host') return { ratioToReference: {}, verdicts: {} };
  const none = missing(
    dead
      ? { code: 'no-valid-slice' }
      : { code: 'too-few-samples-in-slices', needed: 368_887, has: 40_000, slices: 6, ofSlices: 6 },
  );
  const verdict =
    restarts === 1
      ? ({ verdict: 'undecided', restartsNeeded: null } as const)
      : ratio > 1.1
        ? ({ verdict: 'worse', restartsNeeded: null } as const)
        : ratio > 1.04
          ? ({ verdict: 'undecided', restartsNeeded: 14 } as const)
          : ({ verdict: 'equivalent', restartsNeeded: null } as const);
  return {
    ratioToReference: Object.fromEntries(
      LATENCY_KEYS.map((key, index) => [
        key,
        dead || index > 5 ? none : figure(ratio, 0.01 + index * 0.012, restarts),
      ]),
    ),
    verdicts: dead ? {} : { p50: verdict, p99: verdict },
  };
}

function curve(scale: number, samples: number): Cell['curve'] {
  const last = Math.log10(samples);
  return Array.from({ length: 100 }, (_, index) => 1 - 10 ** (-(index / 99) * last)).map((quantile) => ({
    quantile,
    ms: scale * shape(quantile),
  }));
}
