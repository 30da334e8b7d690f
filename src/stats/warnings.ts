import { refusalTexts, type Refusal, type StudyRecord } from '../schema/index.js';
import { blockCount, ofCells, type TrialData } from './cells.js';
import { triedOf } from './progress.js';

/** What the study has still to do. */
interface Left {
  readonly plannedTrials: number;
  /** Searches for a maximum that have not ended. */
  readonly searching: number;
}

/** What a reader must know before any figure of the study. */
export function warningsOf(
  study: StudyRecord,
  trials: readonly TrialData[],
  { plannedTrials, searching }: Left,
): string[] {
  const blocks = blockCount(trials);
  const tried = triedOf(trials);
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
    [
      tried >= plannedTrials && searching > 0,
      `The search for the maximum has not ended for ${searching} of the networks and workloads. Go on with --resume.`,
    ],
  ]
    .flatMap(([holds, warning]) => (holds === true ? [String(warning)] : []))
    .concat(leftOut(trials));
}

/** How many trials count in no figure. */
export function leftOut(trials: readonly TrialData[]): string[] {
  const cells = ofCells(trials);
  const tried = triedOf(trials);
  const failed = trials.filter(({ record }) => record.status === 'failed').length;
  const invalid = cells.filter(({ record }) => record.status === 'measured' && !record.valid).length;
  const of = (some: readonly TrialData[]): string =>
    `of ${some.length} ${some.length > tried ? 'measurements' : 'trials'}`;
  return [
    ...(failed === 0 ? [] : [`${failed} ${of(trials)} failed.`]),
    ...(invalid === 0
      ? []
      : [`${invalid} ${of(cells)} are not vouched for by the load generator, and count in no figure.`]),
  ];
}

/** What was not taken, by name: the rest is analysed without it. */
export const refusalWarnings = (refused: readonly Refusal[]): string[] =>
  refusalTexts(refused).map((text) => `Refused: ${text}`);
