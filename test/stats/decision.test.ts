import { expect, test } from 'vitest';
import type { Objective } from '../../src/schema/index.js';
import type { SliceData } from '../../src/stats/index.js';
import { groupCells, offerOf } from '../../src/stats/cells.js';
import { decide as decideFrom } from '../../src/stats/decision.js';
import { summarize } from '../../src/stats/index.js';
import { logNormal, slice, study } from './synthetic.js';

const RATE = 1000;

/** Five restarts of four rounds; `factors` are those of the contenders' latencies, and `slow` gives the achieved share of the rate. */
function slices(
  factors: Readonly<Record<string, number>>,
  slow: Readonly<Record<string, number>> = {},
): SliceData[] {
  const stations = [
    { network: 'host', role: 'reference' as const, factor: 1 },
    { network: 'host', role: 'control' as const, factor: 1 },
    ...Object.entries(factors).map(([network, factor]) => ({ network, role: 'contender' as const, factor })),
  ];
  let seed = 0;
  return [1, 2, 3, 4, 5].flatMap((restart) =>
    [1, 2, 3, 4].flatMap((round) =>
      stations.map(({ network, role, factor }) => {
        const made = slice(
          { id: `r${restart}-${round}-${network}-${role}`, restart, round, role, network, rateRps: RATE },
          logNormal(seed++, 1000, 1e5 * factor),
        );
        if (made.record.status === 'measured') made.record.load.achievedRps = RATE * (slow[network] ?? 1);
        return made;
      }),
    ),
  );
}
const decideBy = (
  objective: Objective,
  factors: Readonly<Record<string, number>>,
  steps: Readonly<Record<string, number>>,
) => {
  const record = study({ networks: ['host', ...Object.keys(factors)], objective });
  const networks = record.networks.map((network) => {
    const hosts10 = steps[network.name] ?? 0;
    return { ...network, setupSteps: { hosts2: hosts10, hosts10, hosts100: hosts10, oneMore: 1 } };
  });
  return summarize({ ...record, networks }, slices(factors)).decision;
};
const decide = (factors: Readonly<Record<string, number>>, slow?: Readonly<Record<string, number>>) =>
  summarize(study({ networks: ['host', ...Object.keys(factors)] }), slices(factors, slow)).decision;

test('names the network with the lowest p99 and by how much the others are worse', () => {
  const decision = decide({ macvlan: 1.1, 'flannel-vxlan': 2 });
  expect(decision).toMatchObject({ network: 'macvlan', objective: 'p99', rates: 'all rates' });
  expect(decision?.ratioToReference.value).toBeCloseTo(1.1, 1);
  expect(decision?.reasons).toMatchObject([{ code: 'decision-beats', network: 'flannel-vxlan' }]);
  expect(decision?.runnersUp).toMatchObject([{ network: 'flannel-vxlan', tie: false }]);
});

test('names networks that do not differ as ties', () => {
  const decision = decide({ macvlan: 1.1, ipvlan: 1.1 });
  expect(decision?.runnersUp).toMatchObject([{ tie: true }]);
  expect(decision?.reasons[0]?.code).toMatch(/^decision-(?:tie|open)$/);
});

test('puts a network that did not sustain the rate behind one that did', () => {
  const decision = decide({ macvlan: 1.5, ipvlan: 1 }, { ipvlan: 0.9 });
  expect(decision?.network).toBe('macvlan');
  expect(decide({ ipvlan: 1 }, { ipvlan: 0.9 })).toBeNull();
});

test('is null without a contender', () => {
  expect(decide({})).toBeNull();
});

const latency = { kind: 'latency', latency: 'p99', at: null } as const;

test('weighs the criteria of an objective', () => {
  const factors = { macvlan: 1, 'flannel-vxlan': 1.3 };
  const steps = { macvlan: 99, 'flannel-vxlan': 9 };
  const byLatency = decideBy(
    [
      { ...latency, weight: 20 },
      { kind: 'setup', weight: 1 },
    ],
    factors,
    steps,
  );
  expect(byLatency).toMatchObject({ network: 'macvlan', objective: 'p99*20,setup' });
  const bySteps = decideBy(
    [
      { ...latency, weight: 1 },
      { kind: 'setup', weight: 1 },
    ],
    factors,
    steps,
  );
  expect(bySteps?.network).toBe('flannel-vxlan');
  // The geometric mean of 1.3 and 10.
  expect(bySteps?.ratioToReference.value).toBeCloseTo(Math.sqrt(1.3 * 10), 0);
  expect(bySteps?.runnersUp).toMatchObject([{ network: 'macvlan', tie: false, medianRatioToBest: null }]);
});

test('of ties, lists the one with the fewest steps for ten hosts first', () => {
  const factors = { macvlan: 1.1, ipvlan: 1.1 };
  for (const fewest of ['macvlan', 'ipvlan']) {
    const record = study({ networks: ['host', 'macvlan', 'ipvlan'] });
    const networks = record.networks.map((network) => {
      const hosts10 = network.name === fewest ? 5 : 50;
      return { ...network, setupSteps: { hosts2: 1, hosts10, hosts100: 1, oneMore: 1 } };
    });
    const decision = summarize({ ...record, networks }, slices(factors)).decision;
    expect(decision?.network).toBe(fewest);
    expect(decision?.reasons).toContainEqual(
      expect.objectContaining({ code: 'decision-tie-more-steps', steps: 50, bestSteps: 5 }),
    );
  }
});

test('of ties, lists the one with the higher searched maximum first', () => {
  const cells = groupCells(slices({ macvlan: 1.1, ipvlan: 1.1 }), offerOf(study()));
  for (const faster of ['macvlan', 'ipvlan']) {
    const networks = ['host', 'macvlan', 'ipvlan'].map((name) => {
      const value = name === faster ? 60_000 : 40_000;
      return { name, setup: null, maxRps: { value, low: 0.98 * value, high: 1.02 * value } };
    });
    expect(decideFrom(cells, networks, study().spec)?.network).toBe(faster);
  }
});

test('a network without a figure for a criterion is no candidate', () => {
  const decision = decideBy([{ kind: 'maximum', limit: null, weight: 1 }], { macvlan: 1.1 }, {});
  expect(decision).toBeNull();
});
