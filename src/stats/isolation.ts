import { type Finding, type StudyRecord } from '../schema/index.js';
import { groupCells, type CellSlices, type SliceData, offerOf } from './cells.js';
import { estimateClustered, median, type RoundLog } from './clustered.js';
import { buildSeries, sliceLog, subtractIndependent } from './log-estimate.js';
import { pValue } from './verdicts.js';

/** The probability that a study without any interference names a network. */
const FALSE_ALARM_RATE = 0.05;

/** Networks that move the reference beside them, by the slices of the first restart. */
export const listReferenceMoving = (study: StudyRecord, slices: readonly SliceData[]): string[] =>
  findMovedReference(groupCells(slices, offerOf(study)), study.spec).flatMap((finding) =>
    finding.code === 'reference-moved' ? [finding.network] : [],
  );

/**
 * Networks that move the reference when they are set up beside it on shared hosts: an rx handler on its interface, netfilter
 * hooks, forwarding. The p50 of the reference in the rounds of one network of the first restart is compared with its p50 in the
 * rounds without any. Nothing where no round is without a network: each then has hosts of its own.
 */
export function findMovedReference(
  cells: readonly CellSlices[],
  { margin, reference }: Pick<StudyRecord['spec'], 'margin' | 'reference'>,
): Finding[] {
  const contenders = contendersByRound(cells, reference);
  const names = [...new Set([...contenders.values()].flat())];
  const logs = centredLogs(cells.filter(({ network }) => network === reference));
  const alone = logs.filter(({ round }) => !contenders.has(round));
  if (alone.length < 2) return [];
  return names.flatMap((network): Finding[] => {
    const beside = logs.filter(({ round }) => contenders.get(round)?.join() === network);
    if (beside.length < 2) return [];
    const difference = subtractIndependent(estimateClustered(beside), estimateClustered(alone));
    if (Math.abs(difference.log) <= Math.log1p(margin)) return [];
    return pValue(difference) < FALSE_ALARM_RATE / names.length
      ? [{ code: 'reference-moved', network, ratio: Math.exp(difference.log) }]
      : [];
  });
}

/** The contenders of each round of the first restart, those with invalid slices too. A round of the reference alone has no entry. */
function contendersByRound(
  cells: readonly CellSlices[],
  reference: string,
): ReadonlyMap<number, readonly string[]> {
  const rounds = new Map<number, string[]>();
  for (const { network, records } of cells)
    for (const { restart, round } of records)
      if (network !== reference && restart === 1 && rounds.get(round)?.includes(network) !== true)
        rounds.set(round, [...(rounds.get(round) ?? []), network]);
  return rounds;
}

/** ln of the p50 of each round of the first restart, from its median over the rounds, averaged over the rates. */
function centredLogs(reference: readonly CellSlices[]): readonly RoundLog[] {
  const rounds = new Map<number, number[]>();
  for (const cell of reference) {
    const own = buildSeries(cell, 'response')
      .filter(({ restart }) => restart === 1)
      .map(({ round, parts }) => ({ round, log: mean(parts.map((part) => sliceLog(part, 'p50'))) }))
      .filter(({ log }) => Number.isFinite(log));
    const centre = median(own.map(({ log }) => log));
    for (const { round, log } of own) rounds.set(round, [...(rounds.get(round) ?? []), log - centre]);
  }
  return [...rounds].map(([round, logs]) => ({ restart: 1, round, log: mean(logs) }));
}

const mean = (values: readonly number[]): number =>
  values.reduce((sum, value) => sum + value, 0) / values.length;
