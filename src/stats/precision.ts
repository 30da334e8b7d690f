import { type ResolvedStudy, type SliceRecord, type StudyRecord } from '../schema/index.js';
import { groupCells, type SliceData, offerOf } from './cells.js';
import { halfWidth } from './clustered.js';
import { compareToReference, findWithheld } from './reference-ratios.js';

/** Rounds of each network before a study may stop: with fewer, its spread is not known well enough. */
const LEAST_ROUNDS = 20;
/** Restarts before it may stop: one does not show what another would change. */
const LEAST_RESTARTS = 2;

/**
 * The widest interval of a study's comparisons, half of it as a share of the ratio; null where no comparison has one. Only the
 * width counts, never the verdict, so that stopping does not prefer a result.
 */
export function findWidest(
  study: StudyRecord,
  slices: readonly SliceData[],
  { latency }: NonNullable<ResolvedStudy['precision']>,
): number | null {
  const cells = groupCells(slices, offerOf(study));
  const comparisons = compareToReference(cells, study.spec, findWithheld(study));
  const halves = [...comparisons.values()].flatMap(({ ratios }) => {
    const estimate = ratios.get(latency);
    if (estimate === undefined || 'finding' in estimate) return [];
    return halfWidth(estimate) ?? Infinity;
  });
  return halves.length === 0 ? null : Math.expm1(Math.max(...halves));
}

/** Whether a study has reached its precision, after all slices of some restarts. */
export function isPrecise(study: StudyRecord, slices: readonly SliceData[]): boolean {
  const { precision } = study.spec;
  if (precision === undefined) return false;
  const records = slices
    .map(({ record }) => record)
    .filter(({ network }) => network !== study.spec.reference);
  const isLong = [...new Set(records.map(({ network }) => network))].every((name) => {
    const own = records.filter(({ network }) => network === name);
    return (
      countDistinct(own, ({ restart }) => restart) >= LEAST_RESTARTS &&
      countDistinct(own, ({ restart, round }) => `${restart}/${round}`) >= LEAST_ROUNDS
    );
  });
  if (!isLong) return false;
  const widest = findWidest(study, slices, precision);
  return widest !== null && widest <= precision.share;
}

const countDistinct = (records: readonly SliceRecord[], key: (record: SliceRecord) => unknown): number =>
  new Set(records.map(key)).size;
