import { expect, test } from 'vitest';
import type { SliceData } from '../../src/stats/index.js';
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
const decide = (factors: Readonly<Record<string, number>>, slow?: Readonly<Record<string, number>>) =>
  summarize(study({ networks: ['host', ...Object.keys(factors)] }), slices(factors, slow)).decision;

test('names the network with the lowest p99 and by how much the others are worse', () => {
  const decision = decide({ macvlan: 1.1, 'flannel-vxlan': 2 });
  expect(decision).toMatchObject({ network: 'macvlan', objective: 'p99@all rates' });
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
