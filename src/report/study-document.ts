import { type Cell, type Summary } from '../schema/index.js';
import {
  caveatNotes,
  describeNeeded,
  heading,
  listFindings,
  type Block,
  type Document,
  type TestCase,
} from './document.js';
import { whole, withInterval } from './number.js';
import { articleBlocks } from './article.js';
import { groupByRate, PRIMARY } from './rate-groups.js';
import { containerBlocks } from './container-blocks.js';
import { buildStudyRecords } from './study-records.js';
import { describeFinding } from './wording.js';
import { tuningBlocks } from './tuning-blocks.js';
import { overview } from './overview.js';
import { rateGroupBlocks } from './rate-group-blocks.js';
import { setupBlocks, controlBlocks, environmentBlocks } from './study-sections.js';

export function buildStudyDocument(summary: Summary): Document {
  const groups = groupByRate(summary);
  const names = summary.networks.map(({ name }) => name);
  return {
    title: `Barewire study ${summary.study}`,
    blocks: [
      ...overview(summary, groups, names),
      ...tuningBlocks(summary),
      ...groups.flatMap((group) => rateGroupBlocks(group, summary, names)),
      ...articleBlocks(summary),
      ...setupBlocks(summary),
      ...containerBlocks(summary),
      ...controlBlocks(summary),
      ...(summary.generator === undefined
        ? []
        : [
            heading(`Limits of ${summary.generator.name}`),
            ...listFindings('findings', summary.generator.limits),
          ]),
      heading('What this testbed does not show'),
      ...listFindings('findings', summary.limitations),
      ...caveatNotes(summary.networks.filter(({ status }) => status === 'measured')),
      ...readingBlocks(summary),
      ...environmentBlocks(summary),
    ],
    records: buildStudyRecords(summary),
    cases: buildCases(summary),
  };
}

const readingBlocks = ({ generator }: Summary): readonly Block[] => [
  heading('How to read this'),
  {
    kind: 'list',
    items: [
      `${generator?.timedFrom === 'send' ? 'Latencies are service times, from the actual send' : 'Latencies are response times, from the intended send'}, ` +
        'with 95 % intervals (each by itself, not all at once). The greatest sample (max) has none: a longer run has a greater one.',
      'A typical latency is the median over slices: what the network does. A pooled one is of all samples together: what a user of this machine sees, stalls included.',
      'A ratio is of typical latencies, paired within rounds, so that what slows a whole round cancels out. Verdicts correct for the number of comparisons.',
      'A dash is an estimate that the samples do not support; its note gives the reason.',
      'CPU time is that of all CPUs of a side, over the recorded window, per request with a response.',
    ],
  },
];

/** One case per network and rate: failed without a valid slice, skipped when its p99 verdict is undecided. */
function buildCases(summary: Summary): TestCase[] {
  return summary.networks.flatMap((network): TestCase[] => {
    if (network.status !== 'measured')
      return [
        {
          suite: network.name,
          name: 'set up and measured',
          status: network.status === 'failed' ? 'failed' : 'skipped',
          message: network.finding === null ? network.status : describeFinding(network.finding),
        },
      ];
    return network.cells.map((cell) => buildCase(network.name, cell, summary));
  });
}

function buildCase(network: string, cell: Cell, { reference, restarts }: Summary): TestCase {
  const name = `${cell.workload} at ${whole(cell.rateRps)} requests/s`;
  const p99 = `${PRIMARY} ${withInterval(cell.latencyMs[PRIMARY])} ms`;
  const base = { suite: network, name };
  if (cell.slices === 0) {
    const reasons = cell.selfCheck.findings.map(describeFinding).join('; ');
    return { ...base, status: 'failed', message: reasons || 'no valid slice' };
  }
  const verdict = cell.verdicts[PRIMARY];
  if (verdict === undefined) return { ...base, status: 'passed', message: p99 };
  const ratio = `${withInterval(cell.ratioToReference[PRIMARY])} times ${reference}`;
  const needed = describeNeeded(verdict, restarts);
  return {
    ...base,
    status: verdict.verdict === 'undecided' ? 'skipped' : 'passed',
    message: `${p99}, ${ratio}: ${verdict.verdict}${needed === '' ? '' : ` (${needed})`}`,
  };
}
