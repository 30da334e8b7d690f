import { type Estimate, type NetworkSummary, type Summary } from '../schema/index.js';
import {
  count,
  estimate,
  figure,
  heading,
  left,
  note,
  paragraph,
  right,
  text,
  type Block,
  type TableCell,
} from './document.js';
import { NO_VALUE, percent, three, withInterval } from './number.js';
import { describeFinding } from './wording.js';

/** The maxima of all networks, by workload where the study searched several. */
function maximumColumns({ networks }: Summary) {
  const none: Estimate = { value: null, finding: { code: 'maximum-missing' } };
  const workloads = [
    ...new Set(networks.flatMap(({ maxRpsByWorkload = {} }) => Object.keys(maxRpsByWorkload))),
  ];
  if (workloads.length < 2)
    return [
      { title: 'maximum requests/s', select: ({ maxRps }: NetworkSummary): Estimate => maxRps ?? none },
    ];
  return workloads.map((workload) => ({
    title: `maximum requests/s, ${workload}`,
    select: ({ maxRpsByWorkload }: NetworkSummary): Estimate => maxRpsByWorkload?.[workload] ?? none,
  }));
}

/** The first requirement of the article: the server sees the address of the client's container. */
const describeSource = (address: string | undefined): string =>
  address === undefined ? NO_VALUE : address === 'own' ? 'own address' : `NAT: ${address}`;

/** Without an upper end the load generator is the limit: the network may sustain more. */
const isLowerBound = (value: Estimate): boolean =>
  value.value !== null && value.low !== null && value.high === null;

export function setupBlocks(summary: Summary): readonly Block[] {
  const built = summary.networks.filter(({ setup, maxRps }) => setup !== null || maxRps !== null);
  if (built.length === 0) return [];
  const maxima = maximumColumns(summary);
  const searched = built.flatMap(({ maxRpsByWorkload = {} }) => Object.values(maxRpsByWorkload));
  return [
    heading('Setup cost and maximum'),
    {
      kind: 'table',
      caption:
        'Steps are changes to all hosts, as typed by hand: for two hosts as measured, and for more from the plan. Undoing them is not counted',
      columns: [
        left('network'),
        right('steps'),
        right('10 hosts'),
        right('100 hosts'),
        right('one more of 10'),
        right('server sees'),
        right('set up, ms'),
        right('tear down, ms'),
        ...maxima.map(({ title }) => right(title)),
      ],
      rows: built.map((network) => [
        text(network.name),
        count(network.setup?.steps ?? null),
        count(network.setupSteps?.hosts10 ?? null),
        count(network.setupSteps?.hosts100 ?? null),
        count(network.setupSteps?.oneMore ?? null),
        text(describeSource(network.setup?.sourceAddress)),
        figure(network.setup?.ms ?? null),
        figure(network.setup?.tearDownMs ?? null),
        ...maxima.map(({ select }) => {
          const value = select(network);
          return isLowerBound(value) ? text(`≥ ${three(value.value ?? 0)}`) : estimate(value);
        }),
      ]),
    },
    ...pathBlocks(built),
    ...(searched.length === 0
      ? []
      : [
          note(
            `The maximum is the highest rate that half of the slices sustain (99 % of it achieved${summary.maximumLimit === undefined ? '' : ` and ${summary.maximumLimit}`}), ` +
              'from a search with slices of its own, with its 95 % interval.' +
              (searched.some(isLowerBound)
                ? ' ≥: the load generator is the limit; the network may sustain more.'
                : ''),
          ),
        ]),
  ];
}

/** Which devices carried the packets of networks that the testbed has already. */
function pathBlocks(networks: readonly NetworkSummary[]): readonly Block[] {
  const items = networks.flatMap(({ name, setup }) =>
    setup?.path === undefined
      ? []
      : [`${name}: client ${listDevices(setup.path.client)}; server ${listDevices(setup.path.server)}`],
  );
  return items.length === 0
    ? []
    : [
        { kind: 'note', text: 'Devices that carried the packets, from the container outwards:' },
        { kind: 'list', items },
      ];
}

const listDevices = (devices: readonly string[]): string => (devices.length === 0 ? '–' : devices.join(', '));

export function maximaPlot({ networks, reference }: Summary, names: readonly string[]): readonly Block[] {
  const known = networks.filter(
    ({ maxRps, maxRpsByWorkload }) => maxRpsByWorkload !== undefined && maxRps?.value != null,
  );
  if (known.length < 2) return [];
  return [
    {
      kind: 'plot',
      title: 'Maximum throughput',
      caption: `The highest sustained rate of each network; ${reference} is the reference.`,
      plot: {
        kind: 'bars',
        axis: 'requests/s',
        parts: ['requests/s'],
        names,
        rows: known.map(({ name, maxRps }) => ({
          name,
          bars: [[maxRps?.value ?? 0]],
          text: `${withInterval(maxRps ?? undefined)} requests/s`,
        })),
      },
    },
  ];
}

export function controlBlocks(summary: Summary): readonly Block[] {
  const { aa, trusted } = summary.control;
  const entries = Object.entries(aa);
  const missing = entries.flatMap(([key, value]) =>
    value.value === null ? [`${key}: ${describeFinding(value.finding)}`] : [],
  );
  const known = entries.filter(([, value]) => value.value !== null);
  const verdict =
    trusted === null
      ? 'Too few valid rounds to judge it.'
      : trusted
        ? `It does not differ from 1 by more than chance and the margin (${percent(summary.margin)}, of the p99 ${percent(summary.tailMargin)}).`
        : 'It differs from 1: something other than the network determines the results. Do not trust the ratios.';
  return [
    heading('A/A control'),
    paragraph(
      `The reference ${summary.reference} is set up twice in each restart; the ratio of the two should be 1. ${verdict}`,
    ),
    {
      kind: 'list',
      items: [...known.map(([key, value]) => `${key}: ${withInterval(value)}`), ...missing],
    },
    ...(known.length === 0
      ? []
      : [
          {
            kind: 'plot',
            title: 'The reference against itself',
            caption: `Ratios with 95 % intervals. Band: within ${percent(summary.margin)}.`,
            plot: {
              kind: 'forest',
              axis: 'ratio of the two set-ups',
              margin: summary.margin,
              names: [],
              rows: known.map(([key, value]) => ({ name: key, estimate: value, text: withInterval(value) })),
            },
          } as const,
        ]),
  ];
}

export function environmentBlocks({ environment }: Summary): readonly Block[] {
  const hosts = Object.entries(environment);
  if (hosts.length === 0) return [];
  const facts = [...new Set(hosts.flatMap(([, values]) => Object.keys(values)))];
  return [
    {
      kind: 'details',
      title: 'Environment of the hosts',
      blocks: [
        {
          kind: 'table',
          caption: 'Kernel, CPU and settings of each host',
          columns: [left('fact'), ...hosts.map(([name]) => left(name))],
          rows: facts.map((name) => [
            text(name),
            ...hosts.map(([, values]): TableCell => ({
              kind: 'text',
              text: String(values[name] ?? NO_VALUE),
              wrap: true,
            })),
          ]),
        },
      ],
    },
  ];
}
