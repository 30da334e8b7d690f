import {
  REFERENCE,
  type Decision,
  type Finding,
  type LatencyKey,
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
/** Decides between networks whose p99 does not differ. */
const SECOND_KEY = 'p50';

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
 * rates where none lies there), as a ratio to the reference averaged over the rates of each round. Of those
 * whose p99 does not differ beyond chance and the margin, one with a worse p50 is behind it, and the others are ties. Null without a contender that has a ratio.
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
      const ratio = combine(own, deciding.filter(isReference), KEY);
      if (own.length === 0 || ratio === null) return [];
      return [{ network: name, cells: own, sustained: own.every((cell) => cell.sustained !== false), ratio }];
    })
    .sort((a, b) => Number(b.sustained) - Number(a.sustained) || a.ratio.log - b.ratio.log);
  const [best, ...others] = candidates;
  if (best === undefined) return null;
  const ratios = others.map((other) => combine(other.cells, best.cells, KEY));
  const medians = others.map((other) => combine(other.cells, best.cells, SECOND_KEY));
  const verdicts = judge(ratios, margins.tailMargin);
  const medianVerdicts = judge(medians, margins.margin);
  const runnersUp = others.map((other, index) => {
    const ratio = ratios[index] ?? null;
    const [verdict, median] = [verdicts[index]!, medianVerdicts[index]!];
    return {
      network: other.network,
      sustained: other.sustained,
      ratioToBest: toEstimate(ratio ?? NO_ROUND, 1),
      verdict,
      medianRatioToBest: toEstimate(medians[index] ?? NO_ROUND, 1),
      tie: other.sustained && verdict.verdict !== 'worse' && median.verdict !== 'worse',
    };
  });
  const ties = runnersUp.filter(({ tie }) => tie);
  const stepsOf = (name: string): number | null =>
    networks.find((network) => network.name === name)?.setup?.steps ?? null;
  return {
    network: best.network,
    objective: `${KEY}@${describeRates(deciding)}`,
    ratioToReference: toEstimate(best.ratio, 1),
    reasons: [
      ...(best.sustained ? [] : [{ code: 'decision-unsustained', network: best.network } as const]),
      ...runnersUp.flatMap((other): Finding[] => explainOther(other)),
      ...ties.flatMap((tie): Finding[] => {
        const [steps, fewest] = [stepsOf(tie.network), stepsOf(best.network)];
        return steps === null || fewest === null || steps >= fewest
          ? []
          : [{ code: 'decision-tie-fewer-steps', network: tie.network, steps, bestSteps: fewest }];
      }),
    ],
    flipsIf: ties.flatMap(({ network, ratioToBest }): Finding[] =>
      ratioToBest.value === null || ratioToBest.low === null || ratioToBest.low >= 1
        ? []
        : [{ code: 'decision-flips', network, lowRatio: ratioToBest.low }],
    ),
    runnersUp,
  };
}

const NO_ROUND = { finding: { code: 'no-common-round' } } as const;

/** Verdicts on ratios as one family; undecided where there is none. */
function judge(ratios: readonly (LogEstimate | null)[], margin: number): readonly Verdict[] {
  const known = ratios.filter((ratio) => ratio !== null);
  const verdicts = decideVerdicts(known, margin);
  return ratios.map(
    (ratio) =>
      (ratio === null ? undefined : verdicts[known.indexOf(ratio)]) ?? {
        verdict: 'undecided',
        restartsNeeded: null,
      },
  );
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

/** ln of the ratio of two networks' latencies, averaged over their common rates in each round; null without one. */
function combine(
  above: readonly CellSlices[],
  below: readonly CellSlices[],
  key: LatencyKey,
): LogEstimate | null {
  const rounds = new Map<string, { restart: number; round: number; logs: number[] }>();
  for (const cell of above) {
    const other = below.find((one) => rateGroupKey(one) === rateGroupKey(cell));
    if (other === undefined || cell.sustained === false || other.sustained === false) continue;
    const ratio = estimateLogRatio(seriesOf(cell), seriesOf(other), key);
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

function explainOther({
  network,
  sustained,
  ratioToBest,
  verdict,
  medianRatioToBest,
  tie,
}: Decision['runnersUp'][number]): Finding[] {
  if (!sustained) return [{ code: 'decision-unsustained', network }];
  const isWorse = verdict.verdict === 'worse';
  const decisive = isWorse || tie ? ratioToBest : medianRatioToBest;
  if (decisive.value === null) return [];
  const { value: ratio } = decisive;
  const facts = { network, ratio, lowRatio: decisive.low ?? ratio, highRatio: decisive.high ?? ratio };
  if (isWorse) return [{ code: 'decision-beats', ...facts }];
  if (!tie) return [{ code: 'decision-beats-median', ...facts }];
  return [{ code: verdict.verdict === 'equivalent' ? 'decision-tie' : 'decision-open', ...facts }];
}
