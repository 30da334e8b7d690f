import { refusalTexts, type Refusal, type StudyRecord } from '../schema/index.js';
import { restartCount, ofCells, type SliceData } from './cells.js';
import { triedOf } from './progress.js';

/** What the study has still to do. */
interface Left {
  readonly plannedSlices: number;
  /** Searches for a maximum that have not ended. */
  readonly searching: number;
}

/** What a reader must know before any figure of the study. */
export function warningsOf(
  study: StudyRecord,
  slices: readonly SliceData[],
  { plannedSlices, searching }: Left,
): string[] {
  const restarts = restartCount(slices);
  const tried = triedOf(slices);
  return [
    [
      !study.spec.networks.includes('host'),
      'The network host is not in this study: there is nothing to take ratios against.',
    ],
    [
      restarts === 1,
      'One restart: no figure has an interval, and nothing can be told from chance. Use --restarts 5.',
    ],
    [
      tried < plannedSlices,
      `The study is not complete: ${tried} of ${plannedSlices} slices. Go on with --resume.`,
    ],
    [
      tried >= plannedSlices && searching > 0,
      `The search for the maximum has not ended for ${searching} of the networks and workloads. Go on with --resume.`,
    ],
  ]
    .flatMap(([holds, warning]) => (holds === true ? [String(warning)] : []))
    .concat(leftOut(slices));
}

/** How many slices count in no figure. */
export function leftOut(slices: readonly SliceData[]): string[] {
  const cells = ofCells(slices);
  const tried = triedOf(slices);
  const failed = slices.filter(({ record }) => record.status === 'failed').length;
  const invalid = cells.filter(({ record }) => record.status === 'measured' && !record.valid).length;
  const of = (some: readonly SliceData[]): string =>
    `of ${some.length} ${some.length > tried ? 'measurements' : 'slices'}`;
  return [
    ...(failed === 0 ? [] : [`${failed} ${of(slices)} failed.`]),
    ...(invalid === 0
      ? []
      : [`${invalid} ${of(cells)} are not vouched for by the load generator, and count in no figure.`]),
  ];
}

/** What was not taken, by name: the rest is analysed without it. */
export const refusalWarnings = (refused: readonly Refusal[]): string[] =>
  refusalTexts(refused).map((text) => `Refused: ${text}`);
