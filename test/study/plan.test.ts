import { describe, expect, it } from 'vitest';
import { contendersInMemory } from '../../src/study/memory.js';
import { divideTime } from '../../src/study/plan-slices.js';
import { clientPlan, twoHosts } from '../network/request.js';
import { planSlices, preset, resolveSpec } from '../../src/study/index.js';

const study = (seed: number) => resolveSpec({ ...preset('quick'), seed }, 'test', {}, () => seed);
const NETWORKS = ['host', 'flannel-vxlan', 'macvlan'];
/** On netns all networks are set up together. */
const plan = (seed: number) => planSlices(study(seed), NETWORKS, { '350B': 100_000 });

describe('the plan of a study', () => {
  it('has every network at every rate once per round, the reference twice', () => {
    for (const round of [1, 2, 3]) {
      const slices = plan(1).filter((slice) => slice.restart === 1 && slice.round === round);
      expect(slices).toHaveLength(3 * (NETWORKS.length + 1));
      for (const rateOfMax of [0.1, 0.3, 0.5]) {
        const roles = slices
          .filter((slice) => slice.rateOfMax === rateOfMax)
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

  it('depends only on the seed', () => {
    expect(plan(1)).toEqual(plan(1));
    expect(plan(1)).not.toEqual(plan(2));
  });

  it('orders each round differently', () => {
    const order = (round: number) =>
      plan(3)
        .filter((slice) => slice.restart === 1 && slice.round === round)
        .map(({ network, rateRps }) => `${network} ${rateRps}`);
    expect(order(1)).not.toEqual(order(2));
  });

  it('puts every slice at every position about equally often', () => {
    const first = new Map<string, number>();
    for (let seed = 0; seed < 600; seed++) {
      const [slice] = plan(seed);
      const name = `${slice?.network ?? ''} ${slice?.role ?? ''} ${slice?.rateRps ?? 0}`;
      first.set(name, (first.get(name) ?? 0) + 1);
    }
    expect(first.size).toBe(12);
    // 600 draws of 12: 50 expected, standard deviation 6.8; six of them either way.
    for (const count of first.values()) expect(Math.abs(count - 50)).toBeLessThan(41);
  });

  it('resolves shares of the maximum and has unique ids', () => {
    const slices = plan(5);
    expect(new Set(slices.map(({ rateRps }) => rateRps))).toEqual(new Set([10_000, 30_000, 50_000]));
    expect(new Set(slices.map(({ id }) => id)).size).toBe(slices.length);
  });

  it('has at least 40 rounds in eight restarts within the time, and fewer cells give longer slices', () => {
    const spec = study(1);
    expect(spec.restarts).toBe(8);
    expect(spec.restarts * spec.rounds).toBeGreaterThanOrEqual(40);
    expect(divideTime(spec, ['host', 'macvlan']).durationMs).toBeGreaterThan(spec.durationMs);
  });

  it('has one restart of four rounds of short slices in 20 s', () => {
    const spec = resolveSpec({ ...preset('quick'), time: '20s' }, 'test', {}, () => 1);
    const { rounds, durationMs } = divideTime(spec, ['host', 'macvlan', 'flannel-host-gw', 'flannel-vxlan']);
    expect(spec.restarts).toBe(1);
    expect(rounds).toBeGreaterThanOrEqual(3);
    expect(durationMs).toBeGreaterThanOrEqual(100);
    expect(durationMs).toBeLessThan(250);
  });

  it.each([
    ['wrk', 1.3, {}],
    ['wrk2', 12.3, {}],
    ['wrk2', 12.3, { time: '30m' }],
    ['h2load', 1.31, {}],
    ['tcpkali', 1.3064, { time: '10m' }],
  ])('keeps the time with slices of a second of %s, which take %d s each', (generator, eachS, changes) => {
    const spec = resolveSpec({ ...preset('quick'), generator, ...changes }, 'test', {}, () => 1);
    expect(spec.durationMs).toBe(1_000);
    const slices = planSlices(spec, spec.networks, { '350B': 100_000 });
    const takesS = slices.length * eachS;
    const oneRound = slices.length / spec.restarts / spec.rounds;
    expect(takesS).toBeLessThan(Math.max((spec.timeMs ?? 0) / 1_000, oneRound * eachS + 1));
    // Another restart or round would not fit.
    if (spec.restarts > 1) expect(spec.restarts).toBeLessThanOrEqual(8);
    else expect(takesS + oneRound * eachS).toBeGreaterThan((spec.timeMs ?? 0) / 1_000 - 15);
  });

  it('splits networks into groups of as many as the memory has room for, each with the reference', () => {
    const networks = ['host', 'flannel-vxlan', 'macvlan', 'flannel-host-gw'];
    const hosts = (bytes: number) => {
      const one = {
        role: 'client',
        net: twoHosts.hosts[0]!,
        cpus: [0],
        bundle: [],
        memoryBytes: bytes,
      } as const;
      return { hosts: { client: one, server: { ...one, role: 'server' as const } } };
    };
    const together = (bytes: number): number =>
      contendersInMemory({ connections: 60_000, networks }, hosts(bytes));
    expect(together(24e9)).toBe(4);
    expect(together(10e9)).toBe(2);
    expect(together(8e9)).toBe(1);
    expect(() => together(4e9)).toThrow(/60000 connections need 3.6 GB .*\(4.0 GB\)/);
    const spec = {
      ...resolveSpec({ ...preset('quick'), networks, rounds: 2 }, 'test', {}, () => 1),
      together: 2,
    };
    const slices = planSlices(spec, networks, { '350B': 100_000 }).filter(({ restart }) => restart === 1);
    const rounds = [...new Set(slices.map(({ round }) => round))].sort();
    expect(rounds).toEqual([1, 2, 3, 4]);
    const names = (round: number) =>
      [
        ...new Set(
          slices.filter((slice) => slice.round === round).map(({ network, role }) => `${network} ${role}`),
        ),
      ].sort();
    expect(names(1)).toEqual([
      'flannel-vxlan contender',
      'host control',
      'host reference',
      'macvlan contender',
    ]);
    expect(names(3)).toEqual(['flannel-host-gw contender', 'host control', 'host reference']);
  });

  describe('on shared hosts', () => {
    const networks = ['host', 'flannel-vxlan', 'macvlan', 'flannel-host-gw'];
    const shared = (changes: object = {}) =>
      resolveSpec(
        { ...preset('quick'), networks, testbed: 'vm', rounds: 2, ...changes },
        'test',
        {},
        () => 1,
      );
    /** The contenders of each group of a restart. */
    const groups = (restart: number, spec = shared()): string[] => {
      const rounds = new Map<number, Set<string>>();
      for (const slice of planSlices(spec, networks, { '350B': 100_000 }).filter(
        (one) => one.restart === restart,
      ))
        rounds.set(slice.round, (rounds.get(slice.round) ?? new Set()).add(`${slice.network} ${slice.role}`));
      const found = [...rounds.values()].map((names) => {
        expect([...names]).toEqual(expect.arrayContaining(['host reference', 'host control']));
        return [...names]
          .flatMap((name) => /^(.*) contender$/.exec(name)?.[1] ?? [])
          .sort()
          .join();
      });
      return [...new Set(found)].sort();
    };

    it('has the reference alone and beside each network in the first restart', () => {
      expect(groups(1)).toEqual(['', 'flannel-host-gw', 'flannel-vxlan', 'macvlan']);
    });

    it('has networks together that do not exclude each other in the others', () => {
      expect(groups(2)).toEqual(['flannel-host-gw', 'flannel-vxlan,macvlan']);
    });

    it('has a network apart that moved the reference in the first', () => {
      const spec = { ...shared(), apart: ['macvlan'] };
      expect(groups(1, spec)).toEqual(groups(1));
      expect(groups(2, spec)).toEqual(['flannel-host-gw', 'flannel-vxlan', 'macvlan']);
      expect(planSlices(spec, networks, { '350B': 1e5 }).filter(({ restart }) => restart === 1)).toEqual(
        planSlices(shared(), networks, { '350B': 1e5 }).filter(({ restart }) => restart === 1),
      );
    });

    it('has no group without a contender that can run, beside the reference alone', () => {
      const slices = planSlices(shared(), ['host', 'macvlan'], { '350B': 100_000 });
      for (const restart of [1, 2]) {
        const rounds = new Set(slices.filter((one) => one.restart === restart).map(({ round }) => round));
        expect(rounds.size).toBe(restart === 1 ? 2 * 2 : 2);
      }
      const none = planSlices(shared(), ['host'], { '350B': 100_000 });
      expect(new Set(none.map(({ restart }) => restart))).toEqual(new Set([1]));
    });

    it('has each network alone in a single restart, where nothing shows what it does to the reference', () => {
      expect(groups(1, shared({ restarts: 1 }))).toEqual(['flannel-host-gw', 'flannel-vxlan', 'macvlan']);
    });

    it('gives containers of networks on the same hosts different names and addresses', () => {
      for (const name of networks.slice(1)) {
        const [first, second] = [1, 2].map(
          (firstContainer) => clientPlan(name, { ...twoHosts, firstContainer }).container,
        );
        expect(first?.netns).not.toBe(second?.netns);
        expect(first?.address).not.toBe(second?.address);
      }
    });
  });
});
