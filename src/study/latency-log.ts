import type { LoadResult, SliceRecord } from '../schema/index.js';

/**
 * latency.hlog: the histograms of all slices as an HdrHistogram interval log, which its own tools read. A comment names the slice of
 * the intervals that follow; a tag has no comma and no space: NETWORK/WORKLOAD/RATE/response or service.
 */
export const LATENCY_LOG = 'latency.hlog';
export type LatencyKind = 'response' | 'service';

const SLICE = '#[Slice: ';

export const latencyLogHeader = (study: string, startedAt: string): string =>
  [
    `#[Barewire study ${study}: latencies in ns]`,
    '#[Histogram log format version 1.3]',
    `#[StartTime: ${(Date.parse(startedAt) / 1_000).toFixed(3)} (seconds since epoch), ${startedAt}]`,
    '"StartTimestamp","Interval_Length","Interval_Max","Interval_Compressed_Histogram"',
    '',
  ].join('\n');

/** The lines of one slice. The maxima are in ms, as the format has them. */
export function latencyLogLines(
  studyStartedAt: string,
  { id, startedAt, measuredMs, network, workload, rateRps }: SliceRecord,
  histograms: Pick<LoadResult, LatencyKind>,
  maxMs: Readonly<Record<LatencyKind, number>>,
): string {
  const startS = (Date.parse(startedAt) - Date.parse(studyStartedAt)) / 1_000;
  const interval = (kind: LatencyKind): string =>
    `Tag=${network}/${workload}/${rateRps}/${kind},${startS.toFixed(3)},${(measuredMs / 1_000).toFixed(3)},` +
    `${maxMs[kind].toFixed(3)},${histograms[kind]}`;
  return `${SLICE}${id}]\n${interval('response')}\n${interval('service')}\n`;
}

/** Encoded histograms by slice and kind. Of a slice that is there twice, as after a crash, the later one counts. */
export function parseLatencyLog(
  text: string,
): ReadonlyMap<string, Readonly<Partial<Record<LatencyKind, string>>>> {
  const slices = new Map<string, Partial<Record<LatencyKind, string>>>();
  let slice: Partial<Record<LatencyKind, string>> = {};
  for (const line of text.split('\n')) {
    if (line.startsWith(SLICE)) {
      slice = {};
      slices.set(line.slice(SLICE.length, -1), slice);
    }
    const [, kind, encoded] = /^Tag=[^,]*\/(response|service),[^,]*,[^,]*,[^,]*,(.*)$/.exec(line) ?? [];
    if (kind !== undefined) slice[kind as LatencyKind] = encoded ?? '';
  }
  return slices;
}
