import type { Refusal, StudyRecord } from '../schema/index.js';
import type { TrialData } from './cells.js';
import { triedOf } from './progress.js';

/** What a reader must know before any figure of the study. */
export function warningsOf(
  study: StudyRecord,
  trials: readonly TrialData[],
  plannedTrials: number,
): string[] {
  const blocks = new Set(trials.map(({ record }) => record.block)).size;
  const failed = trials.filter(({ record }) => record.status === 'failed').length;
  const invalid = trials.filter(({ record }) => record.status === 'measured' && !record.valid).length;
  const tried = triedOf(trials);
  const of = `of ${trials.length} ${trials.length > tried ? 'measurements' : 'trials'}`;
  return [
    [
      !study.spec.networks.includes('host'),
      'The network host is not in this study: there is nothing to take ratios against.',
    ],
    [
      blocks === 1,
      'One block: no figure has an interval, and nothing can be told from chance. Use --blocks 5.',
    ],
    [
      tried < plannedTrials,
      `The study is not complete: ${tried} of ${plannedTrials} trials. Go on with --resume.`,
    ],
    [failed > 0, `${failed} ${of} failed.`],
    [invalid > 0, `${invalid} ${of} are not vouched for by the load generator, and count in no figure.`],
  ].flatMap(([holds, warning]) => (holds === true ? [String(warning)] : []));
}

/** The files and lines that were not taken, by name: the rest is analysed without them. */
export const refusalWarnings = (refused: readonly Refusal[]): string[] =>
  refused.map(({ file, why }) => `Refused: ${file}: ${why}`);
