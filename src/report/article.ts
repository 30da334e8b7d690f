import type { Cell, Estimate, Summary } from '../schema/index.js';
import {
  caveatNotes,
  estimate,
  heading,
  left,
  note,
  paragraph,
  right,
  text,
  type Block,
} from './document.js';
import { NO_VALUE, three } from './number.js';

/** The percentiles that a slice supports. */
const KEYS = ['p95', 'p99'] as const;

/**
 * Latencies of the article of December 2015, ms, p95 and p99. It measured with tcpkali, which cuts them to 0.1 ms, once, without
 * intervals.
 */
interface PublishedCell {
  readonly workload: string;
  readonly rateRps: number;
  /** The same share of this machine's maximum: the article's host carried about 500,000 requests/s. */
  readonly ofMax: number;
  readonly ms: Readonly<Record<string, Latencies>>;
}

const NETWORKS = ['host', 'ipvlan', 'flannel-aws-vpc', 'flannel-host-gw', 'flannel-vxlan'];
type Latencies = readonly [p95: number, p99: number];

const cellOf = (
  workload: string,
  rateRps: number,
  ofMax: number,
  ...ms: readonly Latencies[]
): PublishedCell => ({
  workload,
  rateRps,
  ofMax,
  ms: Object.fromEntries(
    ms.flatMap((latencies, index) => {
      const network = NETWORKS[index];
      return network === undefined ? [] : [[network, latencies]];
    }),
  ),
});

/** In the order of `NETWORKS`. */
const PUBLISHED: readonly PublishedCell[] = [
  cellOf('350B', 150_000, 0.3, [0.5, 0.6], [0.7, 0.9], [0.9, 1.1], [0.9, 1.1], [1.2, 1.5]),
  cellOf('350B', 250_000, 0.5, [0.7, 0.8], [1, 1.2], [1.2, 1.5], [1.1, 1.4], [1.5, 1.9]),
  cellOf('4KB', 50_000, 0.1, [0.5, 0.7], [0.6, 0.8], [0.7, 0.9], [0.7, 0.9], [0.8, 1.1]),
  cellOf('4KB', 150_000, 0.3, [0.9, 1.2], [1, 1.3], [1.2, 1.5], [1.2, 1.5], [1.4, 1.7]),
];
/** What a value cut to 0.1 ms may have lost. */
const CUT_MS = 0.1;

interface ComparedRatio {
  readonly network: string;
  readonly published: PublishedCell;
  readonly key: (typeof KEYS)[number];
  /** The ratios to host that the cut values allow. */
  readonly low: number;
  readonly high: number;
  readonly own: Estimate | undefined;
  readonly agrees: boolean | null;
}

/** The article's ratios beside those of a study of its preset; nothing for other studies. */
export function articleBlocks(summary: Summary): readonly Block[] {
  if (summary.article === undefined) return [];
  const rows = PUBLISHED.flatMap((published) => compareCell(published, summary));
  const known = rows.filter(({ agrees }) => agrees !== null);
  const agreeing = known.filter(({ agrees }) => agrees === true).length;
  const scaled =
    summary.article === 'scaled'
      ? 'The rates of the article are scaled to this machine: 50,000 requests/s there are 10 % of the maximum of host here, up to 500,000, which are 100 %.'
      : 'The rates are those of the article.';
  return [
    heading('Beside the article of 2015'),
    paragraph(
      `${scaled} ` +
        (known.length === 0
          ? 'No ratio of this study can be compared with it.'
          : `Of ${known.length} ratios to host that both have, ${agreeing} agree: the interval of this study overlaps what the article's values allow.`),
    ),
    ...(rows.length === 0
      ? []
      : [
          {
            kind: 'table',
            caption: 'Ratios to host: of the article, whose values are cut to 0.1 ms, and of this study',
            columns: [
              left('network'),
              left('workload'),
              right('2015, requests/s'),
              left('latency'),
              right('2015'),
              right('here'),
              left(''),
            ],
            rows: rows.map(({ network, published, key, low, high, own, agrees }) => [
              text(network),
              text(published.workload),
              text(String(published.rateRps)),
              text(key),
              text(`${three(low)}–${three(high)}`),
              estimate(own),
              text(agrees === null ? NO_VALUE : agrees ? 'agrees' : describeDifference(own, high)),
            ]),
          } as const,
          ...caveatNotes(summary.networks.filter(({ name }) => rows.some(({ network }) => network === name))),
          note(
            'The article measured once on two machines of 36 CPUs with a 10 Gbit/s network; it has no intervals.',
          ),
        ]),
  ];
}

function compareCell(published: PublishedCell, { networks, article }: Summary): readonly ComparedRatio[] {
  const reference = published.ms['host'];
  if (reference === undefined) return [];
  return networks.flatMap(({ name, cells }) => {
    const ms = published.ms[name];
    const cell = name === 'host' ? undefined : cells.find((one) => isSame(one, published, article));
    if (ms === undefined || cell === undefined) return [];
    return KEYS.map((key, index) => {
      const [low, high] = bandOf(ms[index] ?? NaN, reference[index] ?? NaN);
      const own = cell.ratioToReference[key];
      const agrees =
        own?.value == null || own.low === null || own.high === null
          ? null
          : own.low <= high && own.high >= low;
      return { network: name, published, key, low, high, own, agrees };
    });
  });
}

const isSame = (
  cell: Cell,
  { workload, rateRps, ofMax }: PublishedCell,
  article: Summary['article'],
): boolean =>
  cell.workload === workload && (article === 'full' ? cell.rateRps === rateRps : cell.rateOfMax === ofMax);

/** Each value lies between itself and 0.1 ms more. */
const bandOf = (ms: number, referenceMs: number): readonly [low: number, high: number] => [
  ms / (referenceMs + CUT_MS),
  (ms + CUT_MS) / referenceMs,
];

const describeDifference = (own: Estimate | undefined, high: number): string =>
  (own?.value ?? 0) > high ? 'higher here' : 'lower here';
