import {
  printCriterion,
  printObjective,
  BARE,
  referenceOf,
  type Criterion,
  type Decision,
  type Finding,
  type NetworkSummary,
  type Objective,
  type ResolvedStudy,
  type Verdict,
} from '../schema/index.js';
import type { CellSlices } from './cells.js';
import type { LogEstimate } from './clustered.js';
import { toEstimate, type LogEstimateOrFinding } from './log-estimate.js';
import { compareBy, selectCells, stepsOf, type Candidate } from './objective-ratio.js';
import type { Margins } from './reference-ratios.js';
import { decideVerdicts } from './verdicts.js';

/** The article's first criterion. */
const DEFAULT: Objective = [{ kind: 'latency', latency: 'p99', at: null, weight: 1 }];
/** Decides between networks whose p99 does not differ. */
const SECOND: Objective = [{ kind: 'latency', latency: 'p50', at: null, weight: 1 }];

const THROUGHPUT: Objective = [{ kind: 'maximum', limit: null, weight: 1 }];

/** A candidate that has a ratio to the reference. */
interface Rated extends Candidate {
  readonly sustained: boolean;
  readonly ratio: LogEstimate;
}

/** One of the others against the best. */
interface Other {
  readonly candidate: Rated;
  readonly verdict: Verdict;
  readonly median: Verdict | null;
  readonly runnerUp: Decision['runnersUp'][number];
}

/**
 * Chooses among the contenders by the study's objective. Without one, by the article's criteria: the lowest p99 at 30 to 50 % of
 * the reference's maximum (at all rates where none lies there); of those whose p99 does not differ beyond chance and the
 * margin, one with a worse p50 is behind it, and the others are ties; of the ties, the one with the higher maximum where the study
 * searched it, then with the fewest setup steps for ten hosts, then with the fewest needs. Null without a contender that has a ratio.
 */
export function decide(
  cells: readonly CellSlices[],
  networks: readonly Pick<NetworkSummary, 'name' | 'setup' | 'setupSteps' | 'maxRps' | 'facts'>[],
  spec: Margins & Pick<ResolvedStudy, 'objective'>,
): Decision | null {
  const objective = spec.objective ?? DEFAULT;
  // Networks with a reference of their own do not compete with the others.
  const competing = networks.filter(({ name }) => referenceOf(spec, name) === spec.reference);
  const all = competing.map((summary) => ({
    summary,
    cells: cells.filter(({ network }) => network === summary.name),
  }));
  const reference = all.find(({ summary }) => summary.name === spec.reference);
  if (reference === undefined) return null;
  const unrated: Finding[] = [];
  const rated = all.flatMap((candidate): Rated[] => {
    // The reference without containers is no choice of those who run containers.
    if (candidate === reference || candidate.summary.name === BARE || candidate.cells.length === 0) return [];
    const ratio = compareBy(objective, candidate, reference);
    if ('unrated' in ratio) {
      const criterion = printCriterion(ratio.unrated);
      unrated.push({ code: 'decision-unrated', network: candidate.summary.name, criterion });
      return [];
    }
    const own = objective.flatMap((criterion) => selectCells(criterion, candidate.cells));
    return [{ ...candidate, ratio, sustained: own.every((cell) => cell.sustained !== false) }];
  });
  rated.sort((a, b) => Number(b.sustained) - Number(a.sustained) || a.ratio.log - b.ratio.log);
  const [lowest] = rated;
  if (lowest === undefined) return null;
  const compare = (to: Rated): readonly Other[] =>
    compareOthers(to, rated, objective, spec.objective === undefined ? SECOND : null, spec);
  const best = spec.objective === undefined ? preferAmongTies(lowest, compare(lowest), spec.margin) : lowest;
  const others = compare(best);
  const ties = others.filter(({ runnerUp }) => runnerUp.tie);
  return {
    network: best.summary.name,
    objective: printObjective(objective),
    criteria: objective,
    rates: describeRates(objective, best.cells),
    ratioToReference: toEstimate(best.ratio, 1),
    reasons: [
      ...(best.sustained ? [] : [{ code: 'decision-unsustained', network: best.summary.name } as const]),
      ...others.flatMap((other) => explainOther(other, name(objective))),
      ...ties.flatMap(({ candidate }) => explainPreference(best, candidate)),
      ...unrated,
    ],
    flipsIf: ties.flatMap(({ runnerUp: { network, ratioToBest } }): Finding[] =>
      ratioToBest.value === null || ratioToBest.low === null || ratioToBest.low >= 1
        ? []
        : [{ code: 'decision-flips', network, by: name(objective), lowRatio: ratioToBest.low }],
    ),
    runnersUp: others.map(({ runnerUp }) => runnerUp),
  };
}

/** The article's later criteria: throughput where the study searched it, setup cost, dependencies. */
function preferAmongTies(lowest: Rated, others: readonly Other[], margin: number): Rated {
  const ties = others.flatMap(({ runnerUp, candidate }) => (runnerUp.tie ? [candidate] : []));
  const rank = (one: Rated): number => stepsOf(one) ?? Infinity;
  return ties.reduce((best, one) => {
    const [throughput] = judge([estimateBy(THROUGHPUT, one, best)], margin);
    if (throughput?.verdict === 'better') return one;
    if (throughput?.verdict === 'worse') return best;
    const [steps, least] = [rank(one), rank(best)];
    return steps < least || (steps === least && needsOf(one) < needsOf(best)) ? one : best;
  }, lowest);
}

const needsOf = ({ summary }: Candidate & { readonly summary: Pick<NetworkSummary, 'facts'> }): number =>
  summary.facts?.filter(({ kind }) => kind === 'needs').length ?? 0;

function compareOthers(
  best: Rated,
  rated: readonly Rated[],
  objective: Objective,
  second: Objective | null,
  margins: Margins,
): readonly Other[] {
  const others = rated.filter((one) => one !== best);
  const ratios = others.map((other) => estimateBy(objective, other, best));
  const medians = second === null ? null : others.map((other) => estimateBy(second, other, best));
  const verdicts = judge(ratios, isTail(objective) ? margins.tailMargin : margins.margin);
  const medianVerdicts = medians === null ? null : judge(medians, margins.margin);
  return others.map((candidate, index): Other => {
    const [verdict, median] = [verdicts[index]!, medianVerdicts?.[index] ?? null];
    return {
      candidate,
      verdict,
      median,
      runnerUp: {
        network: candidate.summary.name,
        sustained: candidate.sustained,
        ratioToBest: toEstimate(ratios[index]!, 1),
        verdict,
        medianRatioToBest: medians === null ? null : toEstimate(medians[index]!, 1),
        tie: candidate.sustained && verdict.verdict !== 'worse' && median?.verdict !== 'worse',
      },
    };
  });
}

function estimateBy(objective: Objective, above: Candidate, below: Candidate): LogEstimateOrFinding {
  const ratio = compareBy(objective, above, below);
  return 'unrated' in ratio ? { finding: { code: 'no-common-round' } } : ratio;
}

/** The p99 and beyond have the wider margin. */
const isTail = (objective: Objective): boolean =>
  objective.some(
    (criterion) => criterion.kind === 'latency' && !['p50', 'p90', 'p95'].includes(criterion.latency),
  );

/** Verdicts on ratios as one family; undecided where there is none. */
function judge(ratios: readonly LogEstimateOrFinding[], margin: number): readonly Verdict[] {
  const known = ratios.flatMap((ratio) => ('finding' in ratio ? [] : [ratio]));
  const verdicts = decideVerdicts(known, margin);
  let next = 0;
  return ratios.map((ratio) =>
    'finding' in ratio ? { verdict: 'undecided', restartsNeeded: null } : verdicts[next++]!,
  );
}

function describeRates(objective: Objective, cells: readonly CellSlices[]): string {
  const deciding = objective.flatMap((criterion: Criterion) => selectCells(criterion, cells));
  const shares = deciding.flatMap(({ rateOfMax }) => rateOfMax ?? []);
  if (shares.length < deciding.length || shares.length === 0) return 'all rates';
  const percents = [Math.min(...shares), Math.max(...shares)].map((share) => `${Math.round(share * 100)}%`);
  return percents[0] === percents[1] ? percents.slice(0, 1).join('') : percents.join('–');
}

/** A single latency by its name alone: the rates are known from the decision. */
function name(objective: Objective): string {
  const [first] = objective;
  return objective.length === 1 && first?.kind === 'latency' ? first.latency : printObjective(objective);
}

function explainOther({ verdict, runnerUp }: Other, by: string): Finding[] {
  const { network, sustained, ratioToBest, medianRatioToBest, tie } = runnerUp;
  if (!sustained) return [{ code: 'decision-unsustained', network }];
  const isWorse = verdict.verdict === 'worse';
  const decisive = isWorse || tie || medianRatioToBest === null ? ratioToBest : medianRatioToBest;
  if (decisive.value === null) return [];
  const { value: ratio } = decisive;
  const facts = { network, by, ratio, lowRatio: decisive.low ?? ratio, highRatio: decisive.high ?? ratio };
  if (isWorse) return [{ code: 'decision-beats', ...facts }];
  if (!tie) return [{ code: 'decision-beats-median', ...facts }];
  return [{ code: verdict.verdict === 'equivalent' ? 'decision-tie' : 'decision-open', ...facts }];
}

/** Between ties, setup cost is worth knowing either way. */
function explainPreference(best: Candidate, tie: Candidate): Finding[] {
  const [steps, fewest] = [stepsOf(tie), stepsOf(best)];
  if (steps === null || fewest === null || steps === fewest) return [];
  const facts = { network: tie.summary.name, steps, bestSteps: fewest };
  return [{ code: steps < fewest ? 'decision-tie-fewer-steps' : 'decision-tie-more-steps', ...facts }];
}
