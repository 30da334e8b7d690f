import { describe, expect, it } from 'vitest';
import { planTrials, preset, resolveSpec } from '../../src/study/index.js';

const study = (seed: number) => resolveSpec({ ...preset('quick'), seed }, 'test', {}, () => seed);
const NETWORKS = ['host', 'flannel-vxlan', 'macvlan'];
const plan = (seed: number) => planTrials(study(seed), NETWORKS, { '350B': 100_000 });

describe('the plan of a study', () => {
  it('runs every network at every rate once a block, the reference twice', () => {
    for (const block of [1, 2, 3]) {
      const trials = plan(1).filter((trial) => trial.block === block);
      expect(trials).toHaveLength(3 * (NETWORKS.length + 1));
      for (const rateOfMax of [0.1, 0.3, 0.5]) {
        const roles = trials
          .filter((trial) => trial.rateOfMax === rateOfMax)
          .map(({ network, role }) => `${network} ${role}`);
        expect(roles.sort()).toEqual([
          'flannel-vxlan contender',
          'host control',
          'host reference',
          'macvlan contender',
        ]);
      }
    }
  });

  it('is the same for the same seed and another for another', () => {
    expect(plan(1)).toEqual(plan(1));
    expect(plan(1)).not.toEqual(plan(2));
  });

  it('gives each block an order of its own', () => {
    const order = (block: number) =>
      plan(3)
        .filter((trial) => trial.block === block)
        .map(({ network, rateRps }) => `${network} ${rateRps}`);
    expect(order(1)).not.toEqual(order(2));
  });

  it('puts every trial at every place about equally often', () => {
    const first = new Map<string, number>();
    for (let seed = 0; seed < 600; seed++) {
      const [trial] = plan(seed);
      const name = `${trial?.network ?? ''} ${trial?.role ?? ''} ${trial?.rateRps ?? 0}`;
      first.set(name, (first.get(name) ?? 0) + 1);
    }
    expect(first.size).toBe(12);
    // 600 draws of 12: 50 expected, standard deviation 6.8; six of them either way.
    for (const count of first.values()) expect(Math.abs(count - 50)).toBeLessThan(41);
  });

  it('resolves shares of the maximum and never uses an id twice', () => {
    const trials = plan(5);
    expect(new Set(trials.map(({ rateRps }) => rateRps))).toEqual(new Set([10_000, 30_000, 50_000]));
    expect(new Set(trials.map(({ id }) => id)).size).toBe(trials.length);
  });
});
