import { groupFindings, type Decision, type Estimate, type Summary } from '../schema/index.js';
import { caveatNotes, countNoun, heading, left, listFindings, text, type Block } from './document.js';
import { intervalText, three } from './number.js';
import { whyBlocks } from './why.js';

/** The answer in one or two sentences, and the reasons. */
export function decisionBlocks(summary: Summary): readonly Block[] {
  const { decision, reference, networks } = summary;
  if (decision?.ratioToReference.value == null) return [];
  const { network, reasons, flipsIf, runnersUp } = decision;
  const steps = networks.find(({ name }) => name === network)?.setup?.steps ?? null;
  const ties = runnersUp.filter(({ tie }) => tie);
  return [
    heading('Decision'),
    {
      kind: 'lead',
      text:
        `${[network, ...ties.map((tie) => tie.network)].join(' or ')}: ${describeChoice(decision, reference)}` +
        `${steps === null ? '' : `, in ${countNoun(steps, 'setup step')}`}.` +
        (ties.length === 0 ? '' : ` Listed first is ${network}; the others are ties.`),
    },
    ...(reasons.length === 0 ? [] : listFindings('findings', groupFindings(reasons))),
    ...whyBlocks(summary),
    ...caveatNotes(
      networks.filter(({ name }) => [network, ...runnersUp.map((other) => other.network)].includes(name)),
    ),
    ...(flipsIf.length === 0 ? [] : listFindings('findings', groupFindings(flipsIf))),
  ];
}

/** `the lowest p99 at 30%–50% of the maximum, 1.46× (0.82–2.60) that of host`. */
function describeChoice(
  { objective, criteria, rates, ratioToReference }: Decision,
  reference: string,
): string {
  const ratio = timesText(ratioToReference);
  const at = rates === 'all rates' ? 'over all rates' : `at ${rates} of the maximum`;
  const [first, ...others] = criteria;
  if (first === undefined || others.length > 0)
    return `the lowest weighted mean of the ratios to ${reference} by ${objective}, ${ratio}`;
  switch (first.kind) {
    case 'latency':
      return `the lowest ${first.latency} ${at}, ${ratio} that of ${reference}`;
    case 'cpu':
      return `the lowest CPU time per request ${at}, ${ratio} that of ${reference}`;
    case 'maximum':
      return `the highest sustained rate, ${timesText(invert(ratioToReference))} that of ${reference}`;
    case 'setup':
      return 'the fewest steps to set up ten hosts';
  }
}

/** `1.46× (0.82–2.60)`. */
function timesText(ratio: Estimate): string {
  const ends = intervalText(ratio);
  return `${three(ratio.value ?? 0)}×${ends === '' ? '' : ` (${ends})`}`;
}

/** The decision has the reciprocal of a maximum, so that less is better in all of its ratios. */
function invert(ratio: Estimate): Estimate {
  if (ratio.value === null || ratio.value <= 0) return ratio;
  const reciprocal = (end: number | null): number | null => (end === null || end <= 0 ? null : 1 / end);
  return { value: 1 / ratio.value, low: reciprocal(ratio.high), high: reciprocal(ratio.low) };
}

/** What the figures do not show: each candidate's needs, with the document that says so. */
export function factsBlocks({ networks }: Summary): readonly Block[] {
  const known = networks.flatMap(({ name, facts = [], status }) =>
    status === 'measured' ? facts.map((fact) => ({ name, ...fact })) : [],
  );
  if (known.length === 0) return [];
  const sources = [...new Set(known.map(({ source }) => source))];
  return [
    heading('What each network needs, forbids and offers'),
    {
      kind: 'table',
      caption: 'Facts of the catalog, with their sources',
      columns: [left('network'), left(''), left('what'), left('source')],
      rows: known.map(({ name, kind, what, source }) => [
        text(name),
        text(kind),
        { kind: 'text', text: what, wrap: true },
        text(`[${sources.indexOf(source) + 1}]`, 'dim'),
      ]),
    },
    {
      kind: 'details',
      title: 'Sources',
      blocks: [{ kind: 'list', items: sources.map((source, index) => `[${index + 1}] ${source}`) }],
    },
  ];
}
