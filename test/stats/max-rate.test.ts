import { expect, test } from 'vitest';
import { summarize, type TrialData } from '../../src/stats/index.js';
import { logNormal, normal, seeded, study, trial } from './synthetic.js';

/** Three blocks at each rate; a network answers as many requests as it can, which differs by 1 % from trial to trial. */
function trials(rates: readonly number[], capacityRps: number, network = 'flannel-vxlan'): TrialData[] {
  const random = seeded(62);
  return rates.flatMap((rateRps, at) =>
    [0, 1, 2].map((block) => {
      const made = trial({ id: `b${block}-${at}`, block, network, rateRps }, logNormal(block, 400, 1e5));
      if (made.record.status !== 'measured') throw new Error('not a measured trial');
      const achievedRps = Math.min(rateRps, capacityRps * Math.exp(0.01 * normal(random)));
      const { record } = made;
      return { ...made, record: { ...record, load: { ...record.load, achievedRps } } };
    }),
  );
}
const maxOf = (some: readonly TrialData[]) =>
  summarize(study(), some).networks.map(({ name, maxRps }) => [name, maxRps] as const);

test('a network whose greatest rate did not hold has a maximum, with an interval', () => {
  const [, [, max]] = maxOf(trials([20_000, 40_000, 50_000], 44_000)) as [
    unknown,
    readonly [string, unknown],
  ];
  const { value, low, high } = max as { value: number; low: number; high: number };
  expect(Math.abs(value / 44_444 - 1)).toBeLessThan(0.03);
  expect(low).toBeLessThan(44_444);
  expect(high).toBeGreaterThan(44_444);
});

test('a network that held every rate has none, and the reference its closed-loop maximum', () => {
  const all = [...trials([10_000, 20_000], 60_000), ...trials([10_000, 20_000], 60_000, 'host')];
  expect(maxOf(all)).toEqual([
    ['host', { value: 50_000, low: null, high: null }],
    ['flannel-vxlan', null],
  ]);
});

test('one slow trial at a lower rate is no maximum', () => {
  const [slow, ...others] = trials([10_000, 20_000], 60_000);
  if (slow?.record.status !== 'measured') throw new Error('not a measured trial');
  const load = { ...slow.record.load, achievedRps: 9000 };
  expect(maxOf([{ ...slow, record: { ...slow.record, load } }, ...others])[1]).toEqual([
    'flannel-vxlan',
    null,
  ]);
});
