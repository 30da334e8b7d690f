import {
  LATENCY_KEYS,
  referenceOf,
  type AblationEffect,
  type Finding,
  type MainEffect,
  type StudyTuning,
} from '../schema/index.js';
import { rateGroupKey, type CellSlices } from './cells.js';
import { estimateLogCpuRatio } from './cpu.js';
import { buildSeries, estimateLogRatio, toEstimate } from './log-estimate.js';
import { denominatorIn, type Margins } from './reference-ratios.js';
import { decideVerdicts } from './verdicts.js';

/**
 * The effects of the knobs of a design in which each arm has about half of them: for each, the mean of the arms that have it over the
 * mean of those that lack it, on the log scale, in rounds in which every arm was measured. All are one family of comparisons.
 *
 * @param withheld why no ratio is given, or null
 */
export function estimateMainEffects(
  cells: readonly CellSlices[],
  { arms, ablation }: StudyTuning,
  margins: Margins,
  withheld: Finding | null,
): MainEffect[] {
  const effects = ablation?.effects.filter(({ kind }) => kind === 'main') ?? [];
  const compared = effects.flatMap((effect) => {
    const own = cells.filter(({ network }) => network.startsWith(`${effect.network}@`) && network in arms);
    return [...new Set(own.map(rateGroupKey))].flatMap((key) => {
      const group = own.filter((cell) => rateGroupKey(cell) === key);
      const [above, below] = divide(group, effect, arms, margins);
      if (above === null || below === null) return [];
      const series = [buildSeries(above, 'response'), buildSeries(below, 'response')] as const;
      const ratios = LATENCY_KEYS.map(
        (latency) =>
          [
            latency,
            withheld === null ? estimateLogRatio(...series, latency) : { finding: withheld },
          ] as const,
      );
      const cpu = withheld === null ? estimateLogCpuRatio(above, below) : { finding: withheld };
      return [{ effect, cell: above, ratios: new Map(ratios), cpu }];
    });
  });
  const family = compared.flatMap((one) =>
    (['p50', 'p99', 'cpu'] as const).flatMap((key) => {
      const estimate = key === 'cpu' ? one.cpu : one.ratios.get(key);
      return estimate === undefined || 'finding' in estimate ? [] : [{ one, key, estimate }];
    }),
  );
  const verdicts = decideVerdicts(
    family.map(({ estimate }) => estimate),
    family.map(({ key }) => (key === 'p99' ? margins.tailMargin : margins.margin)),
  );
  return compared.map((one) => {
    const verdictOf = (key: 'p50' | 'p99' | 'cpu') =>
      verdicts[family.findIndex((member) => member.one === one && member.key === key)];
    const [p50, p99, cpuVerdict] = [verdictOf('p50'), verdictOf('p99'), verdictOf('cpu')];
    const { workload, rateRps, rateOfMax } = one.cell;
    return {
      arm: one.effect.arm,
      workload,
      rateRps,
      rateOfMax,
      ratioToReference: Object.fromEntries(
        [...one.ratios].map(([key, estimate]) => [key, toEstimate(estimate, 1)]),
      ),
      verdicts: { ...(p50 && { p50 }), ...(p99 && { p99 }) },
      cpuRatioToReference: toEstimate(one.cpu, 1),
      ...(cpuVerdict && { cpuVerdict }),
    };
  });
}

/** The slices of the arms with a knob and of those without it, in rounds that have all arms once. */
function divide(
  group: readonly CellSlices[],
  { knob }: AblationEffect,
  arms: StudyTuning['arms'],
  margins: Margins,
): [CellSlices | null, CellSlices | null] {
  const chosen = group.map((cell) => {
    const turn = denominatorIn(cell);
    // The reference has two set-ups, which take turns.
    const isReference = cell.network === referenceOf({ ...margins, references: {} }, cell.network);
    const valid = cell.valid.filter(
      ({ record }) => !isReference || turn === undefined || record.role === turn(record.restart),
    );
    return { ...cell, valid };
  });
  const counts = new Map<string, number>();
  for (const { valid } of chosen)
    for (const { record } of valid) {
      const key = `${record.restart}/${record.round}`;
      counts.set(key, (counts.get(key) ?? 0) + 1);
    }
  const merge = (cells: readonly CellSlices[]): CellSlices | null => {
    const [first] = cells;
    if (first === undefined) return null;
    const valid = cells
      .flatMap((cell) => cell.valid)
      .filter(({ record }) => counts.get(`${record.restart}/${record.round}`) === chosen.length);
    return { ...first, valid };
  };
  const has = ({ network }: CellSlices): boolean => arms[network]?.[knob] !== undefined;
  return [merge(chosen.filter(has)), merge(chosen.filter((cell) => !has(cell)))];
}
