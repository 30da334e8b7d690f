import { asOne, withoutFigures, type Cell, type Summary, type Verdict } from '../schema/index.js';
import { PRIMARY, standings, type Row, type Situation, type Standing } from './cells.js';
import { duration, figureText, intervalText, NO_FIGURE, percent, three, whole } from './number.js';

/** A sign beside the word, so that a verdict reads without colour. */
export const VERDICT_SIGN: Readonly<Record<Verdict['verdict'], string>> = {
  better: '▼',
  worse: '▲',
  equivalent: '=',
  undecided: '?',
};

export const verdictLegend = ({ margin }: Summary): string =>
  `Verdicts are about the ${PRIMARY} against the reference: ▼ better (lower), ▲ worse (higher), ` +
  `= equivalent (the interval lies within ${percent(margin)}), ? undecided.`;

/** One line of what was run: `6 restarts, 120 of 120 slices, 24 min 3 s (71 % of it measuring)`. */
export function extent(summary: Summary): string {
  const slices = `${whole(summary.slices)} of ${whole(summary.plannedSlices)} slices`;
  const rest = summary.complete ? '' : ', not complete';
  const measuring = `${percent(summary.measuringShare)} of it measuring`;
  return `${count(summary.restarts, 'restart')}, ${slices}${rest}, ${duration(summary.wallS)} (${measuring})`;
}

export const count = (number: number, noun: string): string =>
  `${whole(number)} ${noun}${number === 1 ? '' : 's'}`;

export interface Standpoint {
  readonly verdict: Verdict['verdict'] | null;
  readonly text: string;
}

/** What was decided over the whole study, best first, and what was not: no winner is named that chance may have made. */
export function inShort(summary: Summary): readonly Standpoint[] {
  const rows = standings(summary).filter(
    ({ isReference, network }) => !isReference && network.status === 'measured',
  );
  return STANDPOINTS.flatMap(([verdict, words]) => {
    const group = rows.filter((row) => mostly(row) === verdict).map((row) => standpointText(row, verdict));
    return group.length === 0 ? [] : [{ verdict, text: `${words(summary.reference)}: ${group.join(', ')}` }];
  });
}

const STANDPOINTS: readonly (readonly [Verdict['verdict'] | null, (reference: string) => string])[] = [
  ['better', (reference) => `${PRIMARY} better than ${reference}`],
  ['equivalent', (reference) => `${PRIMARY} equivalent to ${reference}`],
  ['worse', (reference) => `${PRIMARY} worse than ${reference}`],
  ['undecided', () => `${PRIMARY} undecided everywhere`],
  [null, (reference) => `not compared with ${reference}`],
];

/** The most frequent of the decided verdicts, the worse of two that are as frequent. */
function mostly({ verdicts }: Standing): Verdict['verdict'] | null {
  const decided = (['worse', 'equivalent', 'better'] as const).reduce((most, verdict) =>
    verdicts[verdict] > verdicts[most] ? verdict : most,
  );
  if (verdicts[decided] > 0) return decided;
  return verdicts.undecided > 0 ? 'undecided' : null;
}

function standpointText(row: Standing, verdict: Verdict['verdict'] | null): string {
  if (verdict === null) return row.network.name;
  const all = Object.values(row.verdicts).reduce((sum, number) => sum + number, 0);
  const range = ratioRange(row);
  return `${row.network.name} (in ${row.verdicts[verdict]} of ${all}${range === '' ? '' : `; ${range}`})`;
}

export const cpuRatioText = ({ cpuRatio }: Standing): string =>
  cpuRatio === null ? NO_FIGURE : `${three(cpuRatio)}×`;

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

/** What a reader must know of single cells: slices left out, what the generator did not vouch for, what made the tail. */
export function cellNotes({ rows }: Situation): readonly string[] {
  const remarks = rows.flatMap(({ network, cell }) =>
    [
      ...outOf(cell, cell.invalidSlices, 'not valid, and not averaged in'),
      ...outOf(cell, cell.failedSlices, 'failed'),
      ...cell.selfCheck.reasons,
      ...cell.tail.map((cause) => `tail: ${cause}`),
    ].map((remark) => ({ network: network.name, remark })),
  );
  return toldOnce(remarks, rows.length);
}

const outOf = (cell: Cell, slices: number, what: string): readonly string[] =>
  slices === 0
    ? []
    : [`${what}: ${whole(slices)} of ${whole(cell.slices + cell.invalidSlices + cell.failedSlices)} slices`];

/** `host, macvlan: stood still 12–30 times`: what differs in its figures alone is one remark on several networks. */
function toldOnce(
  remarks: readonly { readonly network: string; readonly remark: string }[],
  networks: number,
): string[] {
  const groups = new Map<string, { networks: string[]; remarks: [string, ...string[]] }>();
  for (const { network, remark } of remarks) {
    const group = groups.get(withoutFigures(remark));
    if (group === undefined) groups.set(withoutFigures(remark), { networks: [network], remarks: [remark] });
    else {
      group.remarks.push(remark);
      if (!group.networks.includes(network)) group.networks.push(network);
    }
  }
  return [...groups.values()].map((group) => {
    const all = networks > 2 && group.networks.length === networks;
    return `${all ? 'all networks' : group.networks.join(', ')}: ${asOne(group.remarks)}`;
  });
}

export function controlText(summary: Summary): string {
  const { trusted } = summary.control;
  const what = `The reference ${summary.reference} ran twice in each restart; the ratio of the two should be 1.`;
  if (trusted === null) return `${what} Too few valid restarts to judge it.`;
  return trusted
    ? `${what} It does not differ from 1 by more than ${percent(summary.margin)} beyond chance.`
    : `${what} It is not: something other than the network decides what is measured here. Do not trust the ratios.`;
}

/** What the latencies of a study are. A tool that stamps at the send has none but service times. */
export const latencyLegend = ({ generator }: Summary): string =>
  `${generator?.timedFrom === 'send' ? 'Service times from the actual send' : 'Response times from the intended send'}, ` +
  'in milliseconds, over all valid slices, with 95 % intervals; the greatest sample (max) has none, because a longer run ' +
  'has a greater one.';

export const generatorName = ({ name, version }: NonNullable<Summary['generator']>): string =>
  `${name} ${version}`;

/** Said before any figure of a load that another tool made; null where Barewire's own generator made it. */
export function loadedBy({ generator }: Summary): string | null {
  if (generator === undefined) return null;
  return (
    `A second opinion: ${generatorName(generator)} made the load, not Barewire's own generator. ` +
    (generator.loop === 'closed' ? 'It takes no rate: each slice is a closed loop. ' : '') +
    (generator.timedFrom === 'send' ? 'Its latencies are service times, from the actual send. ' : '') +
    `What it cannot say stands below.`
  );
}

export const cannotSayTitle = ({ name }: NonNullable<Summary['generator']>): string =>
  `What ${name} cannot say`;
