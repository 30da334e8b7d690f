import { expect, test } from 'vitest';
import { summarize, type SliceData } from '../../src/stats/index.js';
import { logNormal, slice, study } from './synthetic.js';

/** Restarts in which each contender is measured alone with the reference, whose p50 beside it has a factor. */
function groups(factors: Readonly<Record<string, number>>, together = false): SliceData[] {
  let seed = 0;
  return [1, 2, 3, 4, 5].flatMap((restart) =>
    Object.entries(factors).flatMap(([network, factor], group) =>
      [1, 2, 3, 4].flatMap((each) => {
        const round = together ? each : group * 4 + each;
        const drift = 1 + 0.02 * restart;
        const made = (name: string, role: 'reference' | 'contender', times: number) =>
          slice(
            { id: `r${restart}-${group}-${each}-${name}`, restart, round, network: name, role },
            logNormal(seed++, 2000, 1e5 * drift * times),
          );
        return [made('host', 'reference', factor), made(network, 'contender', 1.2)];
      }),
    ),
  );
}
const moved = (factors: Readonly<Record<string, number>>, together = false) =>
  summarize(
    study({ networks: ['host', ...Object.keys(factors)] }),
    groups(factors, together),
  ).warnings.filter(({ code }) => code === 'reference-moved');

test('a network that slows the reference beside it is named', () => {
  const [first, ...others] = moved({ macvlan: 1, ipvlan: 1, 'flannel-vxlan': 1.25 });
  expect(first).toMatchObject({ network: 'flannel-vxlan' });
  expect(first?.code === 'reference-moved' ? first.ratio : 0).toBeCloseTo(1.25, 1);
  expect(others).toEqual([]);
});

test('networks that leave it alone are not', () => {
  expect(moved({ macvlan: 1, ipvlan: 1, 'flannel-vxlan': 1 })).toEqual([]);
});

test('where all networks share their rounds, each has hosts of its own', () => {
  expect(moved({ macvlan: 1, 'flannel-vxlan': 1.5 }, true)).toEqual([]);
});
