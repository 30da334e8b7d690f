import type { Estimate, LatencyKey, Summary } from '../schema/index.js';
import { PRIMARY, TABLE_KEYS, type Row, type Situation } from './cells.js';
import { intervalText, percent, whole, withoutInterval } from './number.js';
import { impractical, FEW_BLOCKS, MOST_BLOCKS, neededText } from './needed.js';

/** What the figures of a situation do not say: intervals that are missing or open, verdicts that stay undecided. */
export const doubts = (situation: Situation, summary: Summary): readonly string[] => [
  ...undecided(situation, summary),
  ...intervalNotes(situation, summary),
];

interface Shown {
  readonly network: string;
  readonly key: LatencyKey;
  readonly figure: Estimate;
}

/** The greatest sample never has an interval, and its legend says so. */
const shown = ({ network, cell }: Row): readonly Shown[] =>
  TABLE_KEYS.filter((key) => key !== 'max').map((key) => ({
    network: network.name,
    key,
    figure: cell.latencyMs[key],
  }));

function intervalNotes({ rows }: Situation, { restarts }: Summary): readonly string[] {
  const figures = rows.flatMap(shown);
  const none = figures.filter(({ figure }) => withoutInterval(figure));
  const open = figures.filter(({ figure }) => isOpen(figure));
  return [
    ...(none.length === 0
      ? []
      : [restarts < 2 ? ONE_BLOCK : `Without an interval: ${byKey(none)}: ${SINGLE}`]),
    ...(open.length === 0 ? [] : [`With one end of the interval: ${byKey(open)}: ${ONE_END}`]),
  ];
}

const isOpen = (figure: Estimate): boolean =>
  figure.value !== null && (figure.low === null) !== (figure.high === null);

const ONE_BLOCK =
  'Percentiles without an interval: an interval needs more than one restart, so how sure they are is not known.';
const SINGLE = 'a single restart has a valid slice there, and chance cannot be told from one.';
const ONE_END = 'too few samples lie beyond, or the restarts differ too much, for the other end.';

/** `p99.99 (host ≥12.1, macvlan ≥14), p99.999 (host)`. */
function byKey(figures: readonly Shown[]): string {
  const keys = new Map<LatencyKey, string[]>();
  for (const { network, key, figure } of figures)
    keys.set(key, [...(keys.get(key) ?? []), `${network} ${intervalText(figure)}`.trimEnd()]);
  return [...keys].map(([key, networks]) => `${key} (${networks.join(', ')})`).join(', ');
}

/** What it would take to know, each answer once: `Undecided: ipvlan (needs 14 restarts); …`. */
function undecided({ rows }: Situation, summary: Summary): readonly string[] {
  const answers = new Map<string, string[]>();
  for (const { network, cell } of rows) {
    const verdict = cell.verdicts[PRIMARY];
    const needed = verdict === undefined ? '' : neededText(verdict, summary.restarts);
    if (needed !== '') answers.set(needed, [...(answers.get(needed) ?? []), network.name]);
  }
  const listed = [...answers].map(([needed, names]) => `${names.join(', ')} (${needed})`);
  return listed.length === 0 ? [] : [`Undecided: ${listed.join('; ')}.`];
}

/** How many standard errors a 95 % interval reaches to each side, by the number of restarts: Student's t. */
const REACH: Readonly<Record<number, string>> = { 2: '12.7', 3: '4.3', 4: '3.2' };

/** Said once: what would decide more, where restarts are few, and where no number of them is practical. */
export function remedies(summary: Summary): readonly string[] {
  const { restarts, margin } = summary;
  const undecided = summary.networks.flatMap(({ cells }) =>
    cells.flatMap(({ verdicts }) => verdicts[PRIMARY] ?? []).filter(({ verdict }) => verdict === 'undecided'),
  );
  const reach = undecided.length === 0 ? undefined : REACH[restarts];
  return [
    ...(restarts === 1 ? [ONE_BLOCK] : []),
    ...(reach === undefined
      ? []
      : [
          `${whole(restarts)} restarts are few: a 95 % interval from them reaches ${reach} standard errors to each side, from 6 ` +
            `restarts 2.6. To tell what is within ${percent(margin)}, use --restarts 6 or more first.`,
        ]),
    ...(undecided.some(({ restartsNeeded }) => impractical(restartsNeeded) && restarts >= FEW_BLOCKS)
      ? [IMPRACTICAL]
      : []),
  ];
}

const IMPRACTICAL =
  `Where more restarts than is practical (over ${MOST_BLOCKS}) would be needed, longer slices (--duration) or a quieter machine ` +
  'help more than restarts.';
