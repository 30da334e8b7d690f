import { REFERENCE, type Finding, type ResolvedStudy } from '../schema/index.js';
import type { CellSlices } from './cells.js';
import { estimateClustered, median, type LogEstimate, type RoundLog } from './clustered.js';
import { buildSeries, estimateLogLatency, type Series } from './log-estimate.js';
import { pValue } from './verdicts.js';

/** The probability that a study without any interference names a network. */
const FALSE_ALARM_RATE = 0.05;

/**
 * Networks that move the reference when they are set up beside it on shared hosts: an rx handler on its interface, netfilter
 * hooks, forwarding. In each restart, the p50 of the reference in the rounds of a network is compared with its
 * median beside all of them. Nothing where all networks share their rounds, since each then has hosts of its own.
 */
export function findMovedReference(
  cells: readonly CellSlices[],
  { margin }: Pick<ResolvedStudy, 'margin'>,
): Finding[] {
  const beside = contendersByRound(cells);
  if ([...beside.values()].some((names) => names.size > 1)) return [];
  const names = [...new Set([...beside.values()].flatMap((contenders) => [...contenders]))];
  if (names.length < 2) return [];
  const reference = cells.filter(({ network }) => network === REFERENCE);
  return names.flatMap((network): Finding[] => {
    const estimate = compareRounds(reference, beside, network, names);
    if (estimate === null || Math.abs(estimate.log) <= Math.log1p(margin)) return [];
    return pValue(estimate) < FALSE_ALARM_RATE / names.length
      ? [{ code: 'reference-moved', network, ratio: Math.exp(estimate.log) }]
      : [];
  });
}

const roundKey = ({ restart, round }: { readonly restart: number; readonly round: number }): string =>
  `${restart}/${round}`;

function contendersByRound(cells: readonly CellSlices[]): ReadonlyMap<string, ReadonlySet<string>> {
  const rounds = new Map<string, Set<string>>();
  for (const { network, valid } of cells)
    if (network !== REFERENCE)
      for (const { record } of valid) {
        const names = rounds.get(roundKey(record)) ?? new Set();
        rounds.set(roundKey(record), names.add(network));
      }
  return rounds;
}

/**
 * ln of the reference's p50 beside a network over its median beside all of them, in each restart, averaged over the rates. The
 * median keeps one network that moves it from making the others look fast.
 */
function compareRounds(
  reference: readonly CellSlices[],
  beside: ReadonlyMap<string, ReadonlySet<string>>,
  network: string,
  names: readonly string[],
): LogEstimate | null {
  const values = new Map<number, number[]>();
  for (const cell of reference) {
    const series = buildSeries(cell, 'response');
    for (const restart of new Set(series.map((one) => one.restart))) {
      const logs = new Map(
        names.flatMap((name) => {
          const own = series.filter(
            (one) => one.restart === restart && beside.get(roundKey(one))?.has(name) === true,
          );
          const log = meanLog(own);
          return log === null ? [] : [[name, log] as const];
        }),
      );
      const own = logs.get(network);
      if (own === undefined || logs.size < names.length) continue;
      values.set(restart, [...(values.get(restart) ?? []), own - median([...logs.values()])]);
    }
  }
  const logs = [...values].map(([restart, each]): RoundLog => ({
    restart,
    round: 1,
    log: each.reduce((sum, log) => sum + log, 0) / each.length,
  }));
  return logs.length < 2 ? null : estimateClustered(logs);
}

function meanLog(series: Series): number | null {
  if (series.length === 0) return null;
  const estimate = estimateLogLatency(series, 'p50');
  return 'finding' in estimate ? null : estimate.log;
}
