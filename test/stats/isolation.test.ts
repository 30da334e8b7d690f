import { expect, test } from 'vitest';
import { listReferenceMoving, summarize, type SliceData } from '../../src/stats/index.js';
import { logNormal, slice, study } from './synthetic.js';

/** Two restarts. In the first the reference is measured alone and then beside each contender, with which its p50 has a factor. */
function restarts(factors: Readonly<Record<string, number>>, { alone = true, late = 1 } = {}): SliceData[] {
  let seed = 0;
  const made = (restart: number, round: number, network: string, times: number) =>
    slice(
      {
        id: `r${restart}-${round}-${network}`,
        restart,
        round,
        network,
        role: network === 'host' ? 'reference' : 'contender',
      },
      logNormal(seed++, 2000, 1e5 * times),
    );
  const names = Object.keys(factors);
  const rounds = [1, 2, 3, 4, 5];
  return [
    ...(alone ? rounds.map((round) => made(1, round, 'host', 1)) : []),
    ...Object.entries(factors).flatMap(([network, factor], group) =>
      rounds.flatMap((each) => [
        made(1, 5 * (group + 1) + each, 'host', factor),
        made(1, 5 * (group + 1) + each, network, 1.2),
      ]),
    ),
    ...rounds.flatMap((round) => [
      made(2, round, 'host', late),
      ...names.map((name) => made(2, round, name, 1.2)),
    ]),
  ];
}
const moved = (...args: Parameters<typeof restarts>) =>
  summarize(study({ networks: ['host', ...Object.keys(args[0])] }), restarts(...args)).warnings.filter(
    ({ code }) => code === 'reference-moved',
  );

test('a network that slows the reference beside it is named, in the report and to the runner', () => {
  const factors = { macvlan: 1, ipvlan: 1, 'flannel-vxlan': 1.25 };
  const [first, ...others] = moved(factors);
  expect(first).toMatchObject({ network: 'flannel-vxlan' });
  expect(first?.code === 'reference-moved' ? first.ratio : 0).toBeCloseTo(1.25, 1);
  expect(others).toEqual([]);
  expect(listReferenceMoving(study(), restarts(factors))).toEqual(['flannel-vxlan']);
});

test('so is one that makes it faster, and all of them where only the reference alone differs', () => {
  expect(listReferenceMoving(study(), restarts({ macvlan: 1, ipvlan: 0.8 }))).toEqual(['ipvlan']);
  expect(listReferenceMoving(study(), restarts({ macvlan: 1.3, ipvlan: 1.3 })).sort()).toEqual([
    'ipvlan',
    'macvlan',
  ]);
});

test('networks that leave it alone are not, whatever the next restart shows', () => {
  expect(moved({ macvlan: 1, ipvlan: 1, 'flannel-vxlan': 1 }, { late: 1.5 })).toEqual([]);
});

test('where the reference is never alone, each network has hosts of its own', () => {
  expect(moved({ macvlan: 1, 'flannel-vxlan': 1.5 }, { alone: false })).toEqual([]);
});
