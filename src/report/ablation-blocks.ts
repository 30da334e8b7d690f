import {
  LATENCY_KEYS,
  type AblationEffect,
  type Estimate,
  type KnobMaximum,
  type LatencyKey,
  type Summary,
  type Verdict,
} from '../schema/index.js';
import {
  estimate,
  heading,
  left,
  paragraph,
  right,
  text,
  VERDICT_SIGN,
  VERDICT_TONE,
  type Block,
  type TableCell,
  type VerdictLine,
} from './document.js';
import {
  INVERTED,
  isKept,
  keptKnobs,
  rankValues,
  readKnobEffects,
  type Compared,
  type KnobEffects,
  type Seen,
} from './knob-effects.js';
import { describeTuningFinding } from './tuning-wording.js';
import { percent, three, whole, withInterval } from './number.js';

const SHOWN = LATENCY_KEYS.filter((key) => key === 'p50' || key === 'p99' || key === 'max');

/** What each knob buys, and which to keep; null for a study that is no ablation. */
export function ablationBlocks(summary: Summary): readonly Block[] | null {
  const effects = readKnobEffects(summary);
  const { ablation, profile } = summary.tuning ?? {};
  if (effects === null || ablation === undefined) return null;
  const { cells, same, maxima } = effects;
  const groups = [...new Map(cells.map(({ cell }) => [groupOf(cell), cell])).values()];
  return [
    heading('Decision'),
    { kind: 'verdicts', items: adviseOnKnobs(effects) },
    ...profileBlocks(effects),
    heading('What each knob buys'),
    paragraph(
      `Knobs of the profile ${profile ?? ''}. Ratios are with the knob over without it, paired within rounds: below 1 the knob helps. ` +
        'Alone is over nothing else; left out is everything over everything without the knob. ' +
        'Signs: ▼ better (lower), ▲ worse (higher), = equivalent, ? undecided, corrected for all comparisons of the study ' +
        `(false discovery rate 5 %). The margin is ${percent(summary.margin)}, of the p99 ${percent(summary.tailMargin)}; max has no verdict.${maxima.length === 0 ? '' : ' Of the maximum rate more is better: ▲ is better there.'}`,
    ),
    ...(ablation.effects.some(({ kind }) => kind === 'main')
      ? [
          paragraph(
            'A Plackett–Burman design: each arm has about half of the knobs, and the effect of one is that of all arms with it over all ' +
              'arms without it, in rounds that have every arm. It includes parts of the interactions of any two other knobs (a third ' +
              'with 12 or 24 arms, a fifth or three fifths with 20): where two knobs interact strongly, compare them with --design each.',
          ),
        ]
      : []),
    ...groups.map((group): Block => ({
      kind: 'table',
      caption: `${group.workload} at ${whole(group.rateRps)} requests/s${group.rateOfMax === null ? '' : ` (${percent(group.rateOfMax)} of the maximum)`}`,
      columns: [
        left('knob'),
        left('how'),
        ...SHOWN.map(right),
        right('CPU'),
        ...(maxima.length === 0 ? [] : [right('maximum rate')]),
      ],
      rows: ablation.effects.flatMap((effect) => {
        const cell = cells.find(
          (one) => one.network === effect.arm && groupOf(one.cell) === groupOf(group),
        )?.cell;
        if (cell === undefined) return [];
        const maximum = maxima.find(({ arm, workload }) => arm === effect.arm && workload === group.workload);
        return [[...effectRow(effect, cell), ...(maxima.length === 0 ? [] : [maximumCell(maximum)])]];
      }),
    })),
    ...(same.size === 0
      ? []
      : [
          paragraph(
            `${[...same].join(', ')}: the hosts had these settings before, or do not have them at all. Their rows show chance, and nothing follows from them.`,
          ),
        ]),
    ...(ablation.omitted.length === 0
      ? []
      : [
          {
            kind: 'list',
            items: ablation.omitted.map(
              ({ knob, finding }) => `${knob} is not compared: ${describeTuningFinding(finding)}`,
            ),
          } as const,
        ]),
  ];
}

function adviseOnKnobs({ knobs }: KnobEffects): VerdictLine[] {
  const named = (holds: (seen: Seen) => boolean): string =>
    [...knobs].flatMap(([name, { seen }]) => (holds(seen) ? [name] : [])).join(', ');
  const lines: readonly VerdictLine[] = [
    { verdict: 'better', text: named(isKept) },
    { verdict: 'worse', text: named((seen) => seen.has('worse') && !seen.has('better')) },
    { verdict: null, text: named((seen) => seen.has('worse') && seen.has('better')) },
    {
      verdict: 'equivalent',
      text: named((seen) => seen.has('equivalent') && !seen.has('worse') && !seen.has('better')),
    },
    { verdict: 'undecided', text: named((seen) => [...seen].every((one) => one === 'undecided')) },
  ];
  return lines
    .filter(({ text: names }) => names !== '')
    .map(({ verdict, text: names }) => ({ verdict, text: `${ADVICE[verdict ?? 'mixed']}: ${names}` }));
}

/** Where what is kept of each network is written, and the order of a knob's values; nothing where there is neither. */
const profileBlocks = (effects: KnobEffects): readonly Block[] => [
  ...rankValues(effects).map(({ network, knob, values }) =>
    paragraph(
      `Values of ${knob} on ${network}, by the p50 of each alone: ${values.map(({ value, ratio }) => `${value} (${three(ratio)})`).join(', ')}. ` +
        'The order is that of the estimates; the table has their intervals.',
    ),
  ),
  ...keptKnobs(effects).flatMap(({ network, file, knobs }) =>
    knobs.size === 0
      ? []
      : paragraph(
          `${file}, beside this report, has what to keep for ${network}: ${[...knobs].map(([knob, value]) => `${knob} ${value}`).join(', ')}. ` +
            `\`barewire tune apply ${file}\` sets it, and \`barewire tune plan ${file} --as script\` (or sysctl, udev, tuned) prints it for ` +
            'machines without Barewire; the script has its own undo.',
        ),
  ),
];

const ADVICE = {
  better: 'keep: better somewhere and nowhere worse',
  worse: 'leave out: worse somewhere and nowhere better',
  mixed: 'your choice: better by one figure and worse by another',
  equivalent: 'no effect that matters',
  undecided: 'not decided in this time',
} as const;

const groupOf = ({ workload, rateRps }: Compared): string => `${workload}/${rateRps}`;

function effectRow({ network, knob, value, kind }: AblationEffect, cell: Compared): readonly TableCell[] {
  const isLeftOut = kind === 'left-out';
  const shown = (key: LatencyKey): TableCell =>
    withSign(cell.ratioToReference[key], cell.verdicts[key], isLeftOut);
  return [
    text(kind === 'all' ? `${network}: all` : `${network}: ${knob} ${value}`),
    text({ all: 'all knobs', alone: 'alone', 'left-out': 'left out', main: 'over all arms' }[kind], 'dim'),
    ...SHOWN.map(shown),
    withSign(cell.cpuRatioToReference, cell.cpuVerdict, isLeftOut),
  ];
}

/** A ratio of an arm without the knob is inverted: both kinds of rows are with the knob over without it. */
function withSign(ratio: Estimate | undefined, verdict: Verdict | undefined, isLeftOut: boolean): TableCell {
  const shown = ratio !== undefined && isLeftOut ? invertRatio(ratio) : ratio;
  if (shown === undefined || shown.value === null || verdict === undefined) return estimate(shown);
  const judged = isLeftOut ? INVERTED[verdict.verdict] : verdict.verdict;
  return text(`${withInterval(shown)} ${VERDICT_SIGN[judged]}`, VERDICT_TONE[judged]);
}

/** With the knob over without it: more is better. */
function maximumCell(maximum: KnobMaximum | undefined): TableCell {
  if (maximum === undefined || maximum.ratio.value === null || maximum.verdict === null)
    return estimate(maximum?.ratio);
  const { verdict } = maximum.verdict;
  return text(`${withInterval(maximum.ratio)} ${VERDICT_SIGN[INVERTED[verdict]]}`, VERDICT_TONE[verdict]);
}

function invertRatio(ratio: Estimate): Estimate {
  if (ratio.value === null) return ratio;
  const reciprocal = (end: number | null): number | null => (end === null || end <= 0 ? null : 1 / end);
  return { value: 1 / ratio.value, low: reciprocal(ratio.high), high: reciprocal(ratio.low) };
}
