import type { Summary, Verdict } from '../schema/index.js';
import {
  PRIMARY,
  standings,
  TABLE_KEYS,
  type Gap,
  type Row,
  type Situation,
  type Standing,
} from './cells.js';
import { duration, figureText, intervalText, NO_FIGURE, percent, three, whole } from './number.js';

/** A sign beside the word, so that a verdict reads without colour. */
export const VERDICT_SIGN: Readonly<Record<Verdict['verdict'], string>> = {
  better: '▼',
  worse: '▲',
  equivalent: '=',
  undecided: '?',
};

export const VERDICT_LEGEND =
  `Verdicts are about the ${PRIMARY} against the reference: ▼ better (lower), ▲ worse (higher), ` +
  '= equivalent within the margin of the study, ? undecided with the number of blocks that would decide it.';

export function verdictText(verdict: Verdict | undefined): string {
  if (verdict === undefined) return '';
  const { verdict: word, blocksNeeded } = verdict;
  const needed = word === 'undecided' && blocksNeeded !== null ? ` (${count(blocksNeeded, 'block')})` : '';
  return `${VERDICT_SIGN[word]} ${word}${needed}`;
}

/** One line of what was run: `6 blocks, 120 of 120 trials, 24 min 3 s (71 % of it measuring)`. */
export function extent(summary: Summary): string {
  const trials = `${whole(summary.trials)} of ${whole(summary.plannedTrials)} trials`;
  const rest = summary.complete ? '' : ', not complete';
  const measuring = `${percent(summary.measuringShare)} of it measuring`;
  return `${count(summary.blocks, 'block')}, ${trials}${rest}, ${duration(summary.wallS)} (${measuring})`;
}

export const count = (number: number, noun: string): string =>
  `${whole(number)} ${noun}${number === 1 ? '' : 's'}`;

/** Who is lowest and who is highest over the whole study: the two lines that a hurried reader takes away. */
export function inShort(summary: Summary): string {
  const compared = standings(summary).filter(
    ({ isReference, meanRatio }) => !isReference && meanRatio !== null,
  );
  const [first] = compared;
  if (first === undefined) return `No network could be compared with ${summary.reference}.`;
  const last = compared.at(-1);
  const lowest = `Lowest ${PRIMARY} on the whole: ${compareText(first, summary.reference)}.`;
  return last === undefined || last === first
    ? lowest
    : `${lowest} Highest: ${compareText(last, summary.reference)}.`;
}

function compareText(row: Standing, reference: string): string {
  const verdicts = verdictCounts(row);
  return `${row.network.name}, ${ratioRange(row)} ${reference}${verdicts === '' ? '' : ` (${verdicts})`}`;
}

export const cpuRatioText = ({ cpuRatio }: Standing): string =>
  cpuRatio === null ? NO_FIGURE : `${three(cpuRatio)}×`;

/** What it would take to know: `ipvlan is undecided; 14 blocks in all would decide it.` */
export const blocksNeeded = ({ rows }: Situation): readonly string[] =>
  rows.flatMap(({ network, cell }) => {
    const needed = cell.verdicts[PRIMARY]?.blocksNeeded;
    return cell.verdicts[PRIMARY]?.verdict !== 'undecided' || needed === null || needed === undefined
      ? []
      : [`${network.name} is undecided: ${count(needed, 'block')} in all would decide it.`];
  });

/** What the order of a situation comes to, in one sentence. */
export function headline(situation: Situation): string {
  const first = situation.rows[0];
  const p99 = first?.cell.latencyMs[PRIMARY];
  if (first === undefined || p99 === undefined || p99.value === null)
    return `No network has a ${PRIMARY} here.`;
  const last = situation.rows.filter((row) => row.cell.latencyMs[PRIMARY].value !== null).at(-1);
  const lowest = `Lowest ${PRIMARY}: ${named(first)}, ${figureText(p99)} ms${bounds(intervalText(p99))}`;
  if (last === undefined || last === first) return `${lowest}.`;
  return `${lowest}. Highest: ${named(last)}, ${figureText(last.cell.latencyMs[PRIMARY])} ms.`;
}

const named = ({ network, isReference }: Row): string =>
  isReference ? `${network.name} (the reference)` : network.name;
const bounds = (interval: string): string => (interval === '' ? '' : ` (${interval})`);

/** `1.02× to 1.31× the reference`. */
export function ratioRange({ lowestRatio, highestRatio }: Standing): string {
  if (lowestRatio === null || highestRatio === null) return '';
  const low = three(lowestRatio);
  const high = three(highestRatio);
  return low === high ? `${low}×` : `${low}× to ${high}×`;
}

/** `worse in 4, undecided in 2`. */
export const verdictCounts = ({ verdicts }: Standing): string =>
  (['better', 'equivalent', 'worse', 'undecided'] as const)
    .filter((verdict) => verdicts[verdict] > 0)
    .map((verdict) => `${verdict} in ${verdicts[verdict]}`)
    .join(', ');

/** `p99.999: needs 368887 samples, has 240000 (ipvlan, flannel-vxlan)`. */
export const gapText = ({ why, keys, networks }: Gap): string =>
  `${keys.join(', ')}: ${why} (${networks.join(', ')})`;

/** What a reader must know of single cells: trials left out, what the generator did not vouch for, what made the tail. */
export function cellNotes({ rows }: Situation): readonly string[] {
  return rows.flatMap(({ network, cell }) => [
    ...(cell.invalidTrials === 0
      ? []
      : [`${network.name}: ${count(cell.invalidTrials, 'trial')} not valid, and not averaged in`]),
    ...(cell.failedTrials === 0 ? [] : [`${network.name}: ${count(cell.failedTrials, 'trial')} failed`]),
    ...cell.certificate.reasons.map((reason) => `${network.name}, certificate: ${reason}`),
    ...cell.tail.map((cause) => `${network.name}, tail: ${cause}`),
  ]);
}

export function controlText(summary: Summary): string {
  const { trusted } = summary.control;
  const what = `The reference ${summary.reference} ran twice in each block; the ratio of the two should be 1.`;
  if (trusted === null) return `${what} Too few blocks to judge it.`;
  return trusted
    ? `${what} It is: the differences in this study can be trusted as far as this control goes.`
    : `${what} It is not: differences of this size are noise here, and the study is not to be trusted.`;
}

/** True when any figure that is shown has no interval, which then needs saying. */
export const someWithoutInterval = ({ rows }: Situation): boolean =>
  rows.some(({ cell }) =>
    TABLE_KEYS.some((key) => {
      const figure = cell.latencyMs[key];
      return figure.value !== null && (figure.low === null || figure.high === null);
    }),
  );

export const NO_INTERVAL =
  'Figures without an interval: an interval needs more than one block, so how sure they are is not known.';

export const LATENCY_LEGEND =
  'Response times from the intended send, in milliseconds, over all valid trials; brackets are 95 % intervals.';
