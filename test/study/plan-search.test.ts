import { describe, expect, it } from 'vitest';
import type { StudyRecord } from '../../src/schema/index.js';
import type { RateEvidence } from '../../src/stats/index.js';
import { planRound } from '../../src/study/search.js';
import { preset, resolveSpec } from '../../src/study/index.js';

const CAPACITY: Readonly<Record<string, number>> = { host: 100_000, macvlan: 70_000 };

const study = (asked: Readonly<Record<string, unknown>>): StudyRecord => ({
  schema: 2,
  version: '0.1.0',
  startedAt: '2026-01-01T00:00:00.000Z',
  spec: resolveSpec({ ...preset('quick'), ...asked }, 'test', {}, () => 7),
  networks: [],
  referenceMaxRps: { '350B': 100_000, '4KB': 100_000 },
  limitations: [],
  environment: {},
});

const slice = (network: string, offeredRps: number, workload = '350B'): RateEvidence => ({
  network,
  workload,
  offeredRps,
  achievedRps: Math.min(offeredRps, CAPACITY[network] ?? 0),
  latencyMs: null,
  valid: true,
  failed: false,
  searched: true,
});
const ofRestarts = (network: string, workload?: string): RateEvidence => ({
  ...slice(network, 1_000, workload),
  searched: false,
});
const known = ['host', 'macvlan'].map((network) => ofRestarts(network));

/** All ids of a search to its end, round by round. */
function searchAll(record: StudyRecord, evidence: RateEvidence[], stopAfter = Infinity): string[][] {
  const rounds: string[][] = [];
  for (let slices = 0; ;) {
    const round = planRound(record, evidence);
    if (round.length === 0) return rounds;
    rounds.push([]);
    for (const { id, network, workload, rateRps } of round) {
      if (slices++ >= stopAfter) return rounds;
      rounds.at(-1)?.push(id);
      evidence.push(slice(network, rateRps, workload));
    }
  }
}

describe('the search for the maxima', () => {
  it('is planned only when the spec asks for it', () => {
    expect(planRound(study({}), known)).toEqual([]);
    expect(planRound(study({ maximum: true }), known)).toHaveLength(2);
    expect(planRound(study({ objective: 'max:p99<2ms' }), known)).toHaveLength(2);
  });

  it('has each network once per round and ends when all are found', () => {
    const evidence = [...known];
    const rounds = searchAll(study({ maximum: true }), evidence);
    expect(rounds[0]).toHaveLength(2);
    for (const round of rounds) expect(new Set(round).size).toBe(round.length);
    expect(rounds.flat().length).toBeLessThanOrEqual(20);
    expect(planRound(study({ maximum: true }), evidence)).toEqual([]);
  });

  it('has unique ids, even when interrupted at any slice', () => {
    const record = study({ maximum: true });
    const whole = searchAll(record, [...known]).flat();
    for (let stop = 0; stop < whole.length; stop++) {
      const evidence = [...known];
      const first = searchAll(record, evidence, stop).flat();
      const rest = searchAll(record, evidence).flat();
      expect(new Set([...first, ...rest]).size).toBe(first.length + rest.length);
      expect([...first, ...rest].toSorted()).toEqual(whole.toSorted());
    }
  });

  it('numbers its rounds after the restarts', () => {
    const record = study({ maximum: true });
    const evidence = [...known];
    expect(planRound(record, evidence).map(({ restart }) => restart)).toEqual([9, 9]);
    evidence.push(slice('host', 90_000));
    expect(planRound(record, evidence).map(({ restart }) => restart)).toEqual([10, 10]);
  });

  it('searches each workload of a network', () => {
    const record = study({ maximum: true, workloads: ['350B', '4KB'] });
    const both = [ofRestarts('host'), ofRestarts('host', '4KB')];
    expect(
      planRound(record, both)
        .map(({ workload }) => workload)
        .toSorted(),
    ).toEqual(['350B', '4KB']);
  });

  it('skips a network without a measured slice', () => {
    expect(planRound(study({ maximum: true }), [ofRestarts('host')]).map(({ network }) => network)).toEqual([
      'host',
    ]);
  });

  it('abandons a network after three failed slices', () => {
    const failed = [1, 2, 3].map(() => ({ ...slice('host', 90_000), valid: false, failed: true }));
    expect(planRound(study({ maximum: true }), [ofRestarts('host'), ...failed])).toEqual([]);
  });

  it('does not start when slices are too short for the objective', () => {
    const record = study({ objective: 'max:p99.999<2ms', slice: '1s' });
    expect(planRound(record, known)).toEqual([]);
  });
});
