import {
  REFERENCE,
  type Decision,
  type Estimate,
  type Finding,
  type NetworkSummary,
  type Verdict,
} from '../schema/index.js';
import { rateGroupKey, type CellSlices } from './cells.js';
import { estimateClustered, type LogEstimate, type RoundLog } from './clustered.js';
import { buildSeries, estimateLogRatio, toEstimate, type Series } from './log-estimate.js';
import { denominatorIn, type Margins } from './reference-ratios.js';
import { decideVerdicts } from './verdicts.js';

/** The article's: latency at 30 to 50 % of the maximum. */
const SHARES = { from: 0.3, to: 0.5 };
const KEY = 'p99';

/** One candidate with its cells at the rates that decide. */
interface Candidate {
  readonly network: string;
  readonly cells: readonly CellSlices[];
  readonly sustained: boolean;
  /** ln of its p99 over the reference's, over the rates. */
  readonly ratio: LogEstimate;
}

/**
 * Chooses among the contenders by the article's first criterion: the lowest p99 at 30 to 50 % of the reference's maximum (at all
 * rates where none lies there), as a ratio to the reference averaged over the rates of each round. Candidates that do not differ
 * from it beyond chance and the margin are ties. Null without a contender that has a ratio.
 */
export function decide(
  cells: readonly CellSlices[],
  networks: readonly Pick<NetworkSummary, 'name' | 'setup'>[],
  margins: Margins,
): Decision | null {
  const deciding = selectRates(cells);
  const candidates = networks
    .filter(({ name }) => name !== REFERENCE)
    .flatMap(({ name }): Candidate[] => {
      const own = deciding.filter(({ network }) => network === name);
      const ratio = combine(own, deciding.filter(isReference));
      if (own.length === 0 || ratio === null) return [];
      return [{ network: name, cells: own, sustained: own.every((cell) => cell.sustained !== false), ratio }];
    })
    .sort((a, b) => Number(b.sustained) - Number(a.sustained) || a.ratio.log - b.ratio.log);
  const [best, ...others] = candidates;
  if (best === undefined) return null;
  const ratios = others.map((other) => combine(other.cells, best.cells));
  const known = ratios.filter((ratio) => ratio !== null);
  const verdicts = decideVerdicts(known, margins.tailMargin);
  const runnersUp = others.map((other, index) => {
    const ratio = ratios[index] ?? null;
    const verdict: Verdict =
      ratio === null
        ? { verdict: 'undecided', restartsNeeded: null }
        : (verdicts[known.indexOf(ratio)] ?? { verdict: 'undecided', restartsNeeded: null });
    const ratioToBest: Estimate = toEstimate(ratio ?? { finding: { code: 'no-common-round' } }, 1);
    return { network: other.network, sustained: other.sustained, ratioToBest, verdict };
  });
  const ties = runnersUp.filter(({ sustained, verdict }) => sustained && verdict.verdict !== 'worse');
  const stepsOf = (name: string): number | null =>
    networks.find((network) => network.name === name)?.setup?.steps ?? null;
  return {
    network: best.network,
    objective: `${KEY}@${describeRates(deciding)}`,
    ratioToReference: toEstimate(best.ratio, 1),
    reasons: [
      ...(best.sustained ? [] : [{ code: 'decision-unsustained', network: best.network } as const]),
      ...runnersUp.flatMap((other): Finding[] => explainOther(other, ties.includes(other))),
      ...ties.flatMap((tie): Finding[] => {
        const [steps, fewest] = [stepsOf(tie.network), stepsOf(best.network)];
        return steps === null || fewest === null || steps >= fewest
          ? []
          : [{ code: 'decision-tie-fewer-steps', network: tie.network, steps, bestSteps: fewest }];
      }),
    ],
    flipsIf: ties.flatMap(({ network, ratioToBest }): Finding[] =>
      ratioToBest.value === null || ratioToBest.low === null
        ? []
        : [{ code: 'decision-flips', network, lowRatio: ratioToBest.low }],
    ),
    runnersUp,
  };
}

const isReference = ({ network }: CellSlices): boolean => network === REFERENCE;

function selectRates(cells: readonly CellSlices[]): readonly CellSlices[] {
  const within = cells.filter(
    ({ rateOfMax }) => rateOfMax !== null && rateOfMax >= SHARES.from && rateOfMax <= SHARES.to,
  );
  return within.some((cell) => !isReference(cell)) ? within : cells;
}

function describeRates(cells: readonly CellSlices[]): string {
  const shares = cells.flatMap(({ rateOfMax }) => rateOfMax ?? []);
  if (shares.length < cells.length || shares.length === 0) return 'all rates';
  const percents = [Math.min(...shares), Math.max(...shares)].map((share) => `${Math.round(share * 100)}%`);
  return percents[0] === percents[1] ? percents.slice(0, 1).join('') : percents.join('–');
}

/** ln of the ratio of two networks' p99, averaged over their common rates in each round; null without one. */
function combine(above: readonly CellSlices[], below: readonly CellSlices[]): LogEstimate | null {
  const rounds = new Map<string, { restart: number; round: number; logs: number[] }>();
  for (const cell of above) {
    const other = below.find((one) => rateGroupKey(one) === rateGroupKey(cell));
    if (other === undefined || cell.sustained === false || other.sustained === false) continue;
    const ratio = estimateLogRatio(seriesOf(cell), seriesOf(other), KEY);
    if ('finding' in ratio) continue;
    for (const { restart, round, log } of ratio.logs) {
      const own = rounds.get(`${restart}/${round}`) ?? { restart, round, logs: [] };
      own.logs.push(log);
      rounds.set(`${restart}/${round}`, own);
    }
  }
  const values = [...rounds.values()].map(({ restart, round, logs }): RoundLog => ({
    restart,
    round,
    log: logs.reduce((sum, log) => sum + log, 0) / logs.length,
  }));
  return values.length === 0 ? null : estimateClustered(values);
}

const seriesOf = (cell: CellSlices): Series =>
  buildSeries(cell, 'response', isReference(cell) ? denominatorIn(cell) : undefined);

function explainOther(
  { network, sustained, ratioToBest, verdict }: Decision['runnersUp'][number],
  isTie: boolean,
): Finding[] {
  if (!sustained) return [{ code: 'decision-unsustained', network }];
  if (ratioToBest.value === null) return [];
  const { value: ratio } = ratioToBest;
  const facts = {
    network,
    ratio,
    lowRatio: ratioToBest.low ?? ratio,
    highRatio: ratioToBest.high ?? ratio,
  };
  if (!isTie) return [{ code: 'decision-beats', ...facts }];
  return [
    verdict.verdict === 'equivalent'
      ? { code: 'decision-tie', ...facts }
      : { code: 'decision-open', ...facts },
  ];
}
