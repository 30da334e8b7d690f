import {
  groupFindings,
  networkOfArm,
  type Estimate,
  type Finding,
  type FindingGroup,
  type Verdict,
} from '../schema/index.js';
import { NO_VALUE, three, whole, withInterval } from './number.js';
import { describeFinding } from './wording.js';

/** A report as data: built once from a summary, a comparison or a cost count, and rendered to every format. */
export interface Document {
  readonly title: string;
  readonly blocks: readonly Block[];
  /** What the CSV file holds: every estimate at full precision. */
  readonly records: Records;
  /** What the JUnit file holds. */
  readonly cases: readonly TestCase[];
}

export type Block =
  | { readonly kind: 'heading'; readonly level: 2 | 3; readonly text: string }
  | { readonly kind: 'paragraph' | 'lead' | 'note'; readonly text: string }
  | { readonly kind: 'facts'; readonly facts: readonly (readonly [name: string, value: string])[] }
  | { readonly kind: 'verdicts'; readonly items: readonly VerdictLine[] }
  | { readonly kind: 'list'; readonly items: readonly string[] }
  | { readonly kind: 'findings' | 'warnings'; readonly findings: readonly (Finding | FindingGroup)[] }
  | Table
  | PlotBlock
  /** Shown on request in HTML, and not on a terminal. */
  | { readonly kind: 'details'; readonly title: string; readonly blocks: readonly Block[] };

/** One line of the answer: a verdict and the networks it holds for. */
export interface VerdictLine {
  readonly verdict: Verdict['verdict'] | null;
  readonly text: string;
}

export interface Table {
  readonly kind: 'table';
  readonly caption: string;
  readonly columns: readonly Column[];
  /** The first cell of a row is its header. */
  readonly rows: readonly (readonly TableCell[])[];
}

export interface Column {
  readonly title: string;
  readonly align: 'left' | 'right';
  /** The least value of the column is marked, and each cell shows its distance to it. */
  readonly lowerIsBetter?: boolean;
}

export type Tone = 'plain' | 'good' | 'bad' | 'dim';

export type TableCell =
  | { readonly kind: 'text'; readonly text: string; readonly tone?: Tone; readonly wrap?: boolean }
  /** A value with its interval; a missing one points at a note with its finding. */
  | { readonly kind: 'estimate'; readonly estimate: Estimate | undefined; readonly interval?: 'compact' }
  | {
      readonly kind: 'verdict';
      readonly verdict: Verdict;
      readonly restarts: number;
      readonly moreIsBetter?: boolean;
    };

/** A plot as data, with a text alternative. */
export interface PlotBlock {
  readonly kind: 'plot';
  readonly title: string;
  readonly caption: string;
  readonly plot: Plot;
}

export type Plot =
  | { readonly kind: 'curves'; readonly curves: readonly Curve[]; readonly names: readonly string[] }
  | {
      readonly kind: 'forest';
      readonly axis: string;
      /** A ratio within this share of 1 counts as no difference. */
      readonly margin: number;
      readonly rows: readonly ForestRow[];
      readonly names: readonly string[];
    }
  | {
      readonly kind: 'bars';
      readonly axis: string;
      readonly parts: readonly string[];
      readonly rows: readonly BarRow[];
      readonly names: readonly string[];
    };

export interface Curve {
  readonly name: string;
  readonly points: readonly { readonly quantile: number; readonly ms: number }[];
  readonly text: string;
}
interface ForestRow {
  readonly name: string;
  readonly estimate: Estimate | undefined;
  readonly text: string;
}
interface BarRow {
  readonly name: string;
  /** One stacked bar each, its values in the order of `parts`. */
  readonly bars: readonly (readonly number[])[];
  readonly text: string;
}

export interface Records {
  readonly columns: readonly string[];
  readonly rows: readonly (readonly (string | number | boolean | null)[])[];
}

export interface TestCase {
  readonly suite: string;
  readonly name: string;
  readonly status: 'passed' | 'failed' | 'skipped';
  readonly message: string;
}

export const heading = (text: string, level: 2 | 3 = 2): Block => ({ kind: 'heading', level, text });
export const paragraph = (text: string): Block => ({ kind: 'paragraph', text });
export const note = (text: string): Block => ({ kind: 'note', text });
export const left = (title: string): Column => ({ title, align: 'left' });
export const right = (title: string): Column => ({ title, align: 'right' });
export const text = (value: string, tone: Tone = 'plain'): TableCell => ({ kind: 'text', text: value, tone });
export const count = (value: number | null): TableCell => text(value === null ? NO_VALUE : whole(value));
export const figure = (value: number | null): TableCell => text(value === null ? NO_VALUE : three(value));
export const estimate = (value: Estimate | undefined): TableCell => ({ kind: 'estimate', estimate: value });

/** Nothing where there is nothing to list. */
export const listFindings = (
  kind: 'findings' | 'warnings',
  findings: readonly (Finding | FindingGroup)[],
): readonly Block[] => (findings.length === 0 ? [] : [{ kind, findings }]);

/** What the figures of these networks do not show, once for all arms of a network. */
export const caveatNotes = (
  networks: readonly { readonly name: string; readonly caveat?: Finding | undefined }[],
): readonly Block[] =>
  [...new Map(networks.map((network) => [networkOfArm(network.name), network.caveat]))].flatMap(
    ([name, caveat]) => (caveat === undefined ? [] : [note(`${name}: ${describeFinding(caveat)}`)]),
  );

/** Words for a number of things: `1 restart`, `6 restarts`. */
export const countNoun = (number: number, noun: string): string =>
  `${whole(number)} ${noun}${number === 1 ? '' : 's'}`;

/** A sign beside the word, so that a verdict reads without colour. */
export const VERDICT_SIGN: Readonly<Record<Verdict['verdict'], string>> = {
  better: '▼',
  worse: '▲',
  equivalent: '=',
  undecided: '?',
};
export const VERDICT_TONE: Readonly<Record<Verdict['verdict'], Tone>> = {
  better: 'good',
  worse: 'bad',
  equivalent: 'good',
  undecided: 'dim',
};

/** Beyond this many restarts a study is impractical. */
export const MAX_RESTARTS = 100;
/** With fewer restarts their spread is not known well enough to estimate such a number. */
const FEW_RESTARTS = 4;

/** What an undecided verdict needs; empty when it is decided or unknown. */
export function describeNeeded(
  { verdict, restartsNeeded, minutesNeeded }: Verdict,
  restarts: number,
): string {
  if (verdict !== 'undecided' || restartsNeeded === null) return '';
  if (restartsNeeded > MAX_RESTARTS)
    return restarts < FEW_RESTARTS ? 'too few restarts to estimate' : `needs over ${MAX_RESTARTS} restarts`;
  return minutesNeeded === undefined
    ? `needs ${whole(restartsNeeded)} restarts`
    : `needs about ${countNoun(Math.max(1, Math.round(minutesNeeded)), 'more minute')}`;
}

/** A cell as text, as the terminal and Markdown show it. */
export function describeCell(cell: TableCell): { readonly text: string; readonly tone: Tone } {
  switch (cell.kind) {
    case 'text':
      return { text: cell.text, tone: cell.tone ?? 'plain' };
    case 'estimate': {
      const { estimate: value, interval } = cell;
      const shown = interval === 'compact' && value?.value != null ? three(value.value) : withInterval(value);
      return { text: shown, tone: 'plain' };
    }
    case 'verdict': {
      const { verdict } = cell.verdict;
      const opposite = { ...VERDICT_SIGN, better: VERDICT_SIGN.worse, worse: VERDICT_SIGN.better };
      const sign = (cell.moreIsBetter === true ? opposite : VERDICT_SIGN)[verdict];
      return { text: `${sign} ${verdict}`, tone: VERDICT_TONE[verdict] };
    }
  }
}

/** The notes of a table's missing estimates, and which note each cell points at. */
export interface MissingNotes {
  readonly texts: readonly string[];
  /** The index of the note of a cell; undefined when its value is not missing. */
  readonly indexOf: (row: number, column: number) => number | undefined;
}

/**
 * Collects the findings of missing estimates: one note for each kind of finding in a column, with the rows that have it
 * (`p99.999: needs 368,887 samples, has 120,000–240,000 (ipvlan, macvlan)`). Columns with the same note share it.
 */
export function collectMissing({ columns, rows }: Table): MissingNotes {
  const found = columns.flatMap((column, index) => {
    const missing = rows.flatMap((cells, row) => {
      const cell = cells[index];
      if (cell?.kind !== 'estimate' || cell.estimate?.value != null) return [];
      const finding: Finding = cell.estimate?.finding ?? { code: 'not-compared' };
      return [{ row, index, finding }];
    });
    const groups = new Map<string, typeof missing>();
    for (const member of missing)
      groups.set(member.finding.code, [...(groups.get(member.finding.code) ?? []), member]);
    return [...groups.values()].map((members) => {
      const names = members.map(({ row }) => describeCell(rows[row]?.[0] ?? text('')).text);
      const texts = groupFindings(members.map(({ finding }) => finding)).map(describeFinding);
      return { column: column.title, note: `${texts.join('; ')} (${names.join(', ')})`, members };
    });
  });
  const notes = new Map<string, string[]>();
  const indices = new Map<string, number>();
  for (const { column, note: noteText, members } of found) {
    notes.set(noteText, [...(notes.get(noteText) ?? []), column]);
    const index = [...notes.keys()].indexOf(noteText);
    for (const member of members) indices.set(`${member.row}:${member.index}`, index);
  }
  return {
    texts: [...notes].map(([noteText, titles]) => `${titles.join(', ')}: ${noteText}`),
    indexOf: (row, column) => indices.get(`${row}:${column}`),
  };
}
