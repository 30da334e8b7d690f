import { groupFindings, type NetworkSummary, type Summary, type Verdict } from '../schema/index.js';
import {
  caveatNotes,
  count,
  countNoun,
  estimate,
  heading,
  left,
  listFindings,
  MAX_RESTARTS,
  note,
  paragraph,
  right,
  text,
  type Block,
  type Table,
  type VerdictLine,
} from './document.js';
import { decisionBlocks, factsBlocks } from './decision-blocks.js';
import { ablationBlocks } from './ablation-blocks.js';
import { duration, NO_VALUE, percent, three, whole } from './number.js';
import { PRIMARY, rankNetworks, type Ranking, type RateGroup } from './rate-groups.js';
import { describeFinding } from './wording.js';
import { maximaPlot } from './study-sections.js';

export function overview(
  summary: Summary,
  groups: readonly RateGroup[],
  names: readonly string[],
): readonly Block[] {
  const rankings = rankNetworks(summary).filter(({ network }) => network.status === 'measured');
  const { reference, generator } = summary;
  const slices = `${whole(summary.slices)} of ${whole(summary.plannedSlices)} slices${summary.complete ? '' : ', incomplete'}`;
  const ablated = ablationBlocks(summary);
  const unmeasured = summary.networks.filter(({ status }) => status !== 'measured');
  return [
    {
      kind: 'facts',
      facts: [
        ['Testbed', `${summary.testbed}${summary.ip === undefined ? '' : ` over IPv${summary.ip}`}`],
        ['Started', summary.startedAt],
        ['Extent', `${countNoun(summary.restarts, 'restart')}, ${slices}`],
        ['Time', `${duration(summary.wallS)}, ${percent(summary.measuringShare)} of it measuring`],
        ['Reference', reference],
        ...(generator === undefined
          ? []
          : [['Load generator', `${generator.name} ${generator.version}`] as const]),
      ],
    },
    ...(generator === undefined ? [] : [paragraph(describeGenerator(generator))]),
    ...listFindings('warnings', groupFindings(summary.warnings)),
    ...(ablated === null
      ? networkBlocks(rankings, summary)
      : [...ablated, ...caveatNotes(rankings.map(({ network }) => network))]),
    ...(groups.length < 2 || rankings.length === 0
      ? []
      : [
          {
            kind: 'details',
            title: `${PRIMARY} ratios by workload and rate`,
            blocks: [matrixTable(rankings, groups, summary)],
          } as const,
        ]),
    ...maximaPlot(summary, names),
    ...(unmeasured.length === 0
      ? []
      : [
          heading('Networks not measured'),
          {
            kind: 'list',
            items: unmeasured.map(
              ({ name, what, status, finding }) =>
                `${name} (${what}), ${status}${finding === null ? '' : `: ${describeFinding(finding)}`}`,
            ),
          } as const,
        ]),
  ];
}

/** What the study decides about its networks. */
function networkBlocks(rankings: readonly Ranking[], summary: Summary): readonly Block[] {
  const instructions = findInstructions(summary);
  if (rankings.length === 0) return factsBlocks(summary);
  return [
    ...decisionBlocks(summary),
    heading('In short'),
    { kind: 'verdicts', items: summarizeVerdicts(rankings, summary.reference) },
    ...describeRemedies(summary).map(paragraph),
    overallTable(rankings, summary),
    ...caveatNotes(rankings.map(({ network }) => network)),
    ...(instructions === null ? [] : [note(instructions)]),
    note(
      `Verdicts compare the ${PRIMARY} with ${summary.reference}: ▼ better (lower), ▲ worse (higher), ` +
        `= equivalent (the interval lies within ${percent(summary.tailMargin)}, of the p50 within ${percent(summary.margin)}), ? undecided. ` +
        `CPU: time per request as a ratio to ${summary.reference}. ` +
        'Knee: the lowest measured rate with twice the p50 of the lowest one, or that is not sustained.',
    ),
    ...factsBlocks(summary),
  ];
}

/** Printed before any estimate of a load that an external generator made. */
const describeGenerator = ({ name, version, loop, timedFrom }: NonNullable<Summary['generator']>): string =>
  `A cross-check: ${name} ${version} generated the load, not Barewire's own generator. ` +
  (loop === 'closed' ? 'It takes no rate: each slice is a closed loop. ' : '') +
  (timedFrom === 'send' ? 'Its latencies are service times, from the actual send. ' : '') +
  'Its limits are listed below.';

/** The answer over all rate groups, best first. No network is called better than chance allows. */
function summarizeVerdicts(rankings: readonly Ranking[], reference: string): VerdictLine[] {
  const titles: readonly (readonly [Verdict['verdict'] | null, string])[] = [
    ['better', `${PRIMARY} better than ${reference}`],
    ['equivalent', `${PRIMARY} equivalent to ${reference}`],
    ['worse', `${PRIMARY} worse than ${reference}`],
    ['undecided', `${PRIMARY} undecided everywhere`],
    [null, `not compared with ${reference}`],
  ];
  return titles.flatMap(([verdict, title]) => {
    const members = rankings
      .filter((ranking) => !ranking.isReference && mainVerdict(ranking) === verdict)
      .map((ranking) => {
        if (verdict === null) return ranking.network.name;
        const all = Object.values(ranking.verdicts).reduce((sum, number) => sum + number, 0);
        const ratios = ratioRange(ranking);
        return `${ranking.network.name} (in ${ranking.verdicts[verdict]} of ${all}${ratios === '' ? '' : `; ${ratios}`})`;
      });
    return members.length === 0 ? [] : [{ verdict, text: `${title}: ${members.join(', ')}` }];
  });
}

/** The most frequent decided verdict; of two equally frequent ones the worse. */
function mainVerdict({ verdicts }: Ranking): Verdict['verdict'] | null {
  const decided = (['worse', 'equivalent', 'better'] as const).reduce((most, verdict) =>
    verdicts[verdict] > verdicts[most] ? verdict : most,
  );
  if (verdicts[decided] > 0) return decided;
  return verdicts.undecided > 0 ? 'undecided' : null;
}

/** `1.02× to 1.31×`. */
function ratioRange({ lowestRatio, highestRatio }: Ranking): string {
  if (lowestRatio === null || highestRatio === null) return '';
  const [low, high] = [three(lowestRatio), three(highestRatio)];
  return low === high ? `${low}×` : `${low}× to ${high}×`;
}

/** What would decide more: time, or something else where no practical time suffices. */
function describeRemedies({ networks }: Summary): string[] {
  const undecided = networks
    .flatMap(({ cells }) =>
      cells.flatMap(({ verdicts }) => [verdicts.p50 ?? [], verdicts[PRIMARY] ?? []].flat()),
    )
    .filter(({ verdict }) => verdict === 'undecided');
  const minutes = undecided.flatMap(({ restartsNeeded, minutesNeeded }) =>
    (restartsNeeded ?? Infinity) <= MAX_RESTARTS ? (minutesNeeded ?? []) : [],
  );
  const impractical = undecided.some(({ restartsNeeded }) => (restartsNeeded ?? 0) > MAX_RESTARTS);
  return [
    ...(minutes.length === 0
      ? []
      : [`Undecided comparisons need about ${Math.ceil(Math.max(1, ...minutes))} more minutes: use --time.`]),
    ...(impractical
      ? [`Where over ${MAX_RESTARTS} restarts would be needed, a quieter machine helps more than time.`]
      : []),
  ];
}

function overallTable(rankings: readonly Ranking[], summary: Summary): Table {
  const { reference } = summary;
  const withInstructions = findInstructions(summary) !== null;
  return {
    kind: 'table',
    caption: `Over all workloads and rates, lowest ${PRIMARY} first`,
    columns: [
      left('network'),
      left(`${PRIMARY} against ${reference}`),
      left('verdicts'),
      right('CPU'),
      ...(withInstructions ? [right('instructions')] : []),
      right('knee'),
      right('steps'),
    ],
    rows: rankings.map((ranking) => {
      const { network, isReference, verdicts, cpuRatio } = ranking;
      const counts = (['better', 'equivalent', 'worse', 'undecided'] as const)
        .filter((verdict) => verdicts[verdict] > 0)
        .map((verdict) => `${verdict} in ${verdicts[verdict]}`);
      return [
        text(network.name),
        text(isReference ? 'reference' : ratioRange(ranking) || NO_VALUE, isReference ? 'dim' : 'plain'),
        text(counts.join(', ')),
        text(isReference ? 'reference' : cpuRatio === null ? NO_VALUE : `${three(cpuRatio)}×`),
        ...(withInstructions ? [text(describeInstructions(network))] : []),
        text(describeKnee(network)),
        count(network.setup?.steps ?? null),
      ];
    }),
  };
}

/** The rate where the p50 has doubled: `50%` of the reference's maximum, or requests per second. */
function describeKnee({ kneeRps, cells }: NetworkSummary): string {
  if (kneeRps === null) return NO_VALUE;
  const share = cells.find(({ rateRps }) => rateRps === kneeRps)?.rateOfMax ?? null;
  return share === null ? `≤ ${whole(kneeRps)}/s` : `≤ ${percent(share)}`;
}

function describeInstructions({ instructions = [] }: NetworkSummary): string {
  const [first] = instructions;
  if (first === undefined) return NO_VALUE;
  const ratio = first.ratio === null ? '' : ` (${first.ratio.toFixed(3)}×)`;
  return `${whole(first.instructions.total)}${ratio}`;
}

/** The legend of the instructions column; null when `barewire cost` was not run for this study. */
function findInstructions({ networks }: Summary): string | null {
  const [first] = networks.flatMap(({ instructions = [] }) => instructions);
  if (first === undefined) return null;
  return (
    `Instructions: instructions per request of client and server, counted in an emulated machine (${first.workload}, ` +
    `${countNoun(first.connections, 'connection')}, kernel ${first.kernel}). They are not times.`
  );
}

/** Networks by rate group. */
function matrixTable(rankings: readonly Ranking[], groups: readonly RateGroup[], summary: Summary): Table {
  return {
    kind: 'table',
    caption: `${PRIMARY} as a ratio to ${summary.reference}, by workload and requests/s`,
    columns: [
      left('network'),
      ...groups.map(({ workload, rateRps }) => right(`${workload} ${whole(rateRps)}/s`)),
    ],
    rows: rankings
      .filter(({ isReference }) => !isReference)
      .map(({ network }) => [
        text(network.name),
        ...groups.map(({ rows }) =>
          estimate(rows.find((row) => row.network === network)?.cell.ratioToReference[PRIMARY]),
        ),
      ]),
  };
}
