import {
  groupFindings,
  LATENCY_KEYS,
  missing,
  QUANTILES,
  type Cell,
  type CpuCost,
  type Estimate,
  type Finding,
  type LatencyKey,
  type QuantileName,
  type Verdict,
} from '../schema/index.js';
import { findUnsustained, type CellSlices, type ValidSlice } from './cells.js';
import { splitVariance } from './clustered.js';
import {
  buildSeries,
  countResponses,
  estimateLogLatency,
  findSections,
  listSamples,
  toEstimate,
  type LogEstimateOrFinding,
  type Series,
} from './log-estimate.js';
import { quantileRank, samplesNeeded, TAIL_SHARE } from './order-ranks.js';
import { estimatePooled, estimateTypical } from './pooled.js';
import { estimateEachKey, estimateMaximum, findUnsupported, MS_PER_NS } from './quantile-estimates.js';
import type { ReferenceComparison } from './reference-ratios.js';
import { Samples } from './samples.js';
import { findBottleneck, summarizeCpuLoad } from './limits.js';
import { findTailCauses } from './tail.js';

/**
 * @param study its time, to tell how long an undecided comparison would take, and the speed of its link; null where it is not
 *   known
 */
export function summarizeCell(
  cell: CellSlices,
  comparison: ReferenceComparison,
  { wallS, linkMbps }: { readonly wallS: number; readonly linkMbps: number | null },
): Cell {
  const { workload, rateRps, rateOfMax, achievedRps, sustained, records, valid, refused } = cell;
  const measured = records.filter((record) => record.status === 'measured');
  const pooled = Samples.pool(valid.map((slice) => slice.response));
  const latencyMs = summarizeLatencies(cell, 'response');
  const pooledMs = summarizePooled(cell);
  const restarts = new Set(records.map(({ restart }) => restart)).size;
  const withMinutes = (verdict: Verdict): Verdict =>
    verdict.restartsNeeded === null
      ? verdict
      : { ...verdict, minutesNeeded: ((verdict.restartsNeeded / restarts - 1) * wallS) / 60 };
  const findings = records.flatMap((record) =>
    record.status === 'failed' ? [record.finding] : record.load.selfCheck.findings,
  );
  return {
    workload,
    rateRps,
    rateOfMax,
    achievedRps,
    sustained,
    slices: valid.length,
    invalidSlices: measured.length - valid.length,
    failedSlices: records.length - measured.length,
    samples: pooled.answered,
    latencyMs,
    pooledMs,
    serviceMs: summarizeLatencies(cell, 'service'),
    ratioToReference: mapKeys(comparison.ratios, (ratio) => toEstimate(ratio, 1)),
    verdicts: mapKeys(comparison.verdicts, withMinutes),
    cpuUsPerRequest: averageCpu(valid),
    ...(comparison.cpu === null ? {} : { cpuRatioToReference: toEstimate(comparison.cpu, 1) }),
    ...(comparison.cpuVerdict === null ? {} : { cpuVerdict: withMinutes(comparison.cpuVerdict) }),
    variance: spreadOf(
      comparison.ratios.get('p99') ?? estimateLogLatency(buildSeries(cell, 'response'), 'p99'),
    ),
    limit: findBottleneck(cell, linkMbps),
    cpuLoad: summarizeCpuLoad(cell),
    tail: findTailCauses(cell, pooledMs),
    selfCheck: { valid: valid.length > 0, findings: groupFindings([...findings, ...refused]) },
    curve: buildCurve(pooled),
  };
}

/** A cell's typical latencies in milliseconds, where each slice supports the quantile. */
export function summarizeLatencies(cell: CellSlices, latency: 'response' | 'service'): Cell['latencyMs'] {
  const series = buildSeries(cell, latency);
  const unsustained = findUnsustained(cell);
  return estimateEachKey((key) => {
    if (unsustained !== null) return missing(unsustained);
    if (key === 'max') return greatest(series);
    const sections = findSections(series, key);
    if ('finding' in sections) return missing(sections.finding);
    return sections.perSlice ? estimateTypical(series, key) : missing(tooFewIn(series, key));
  });
}

/** The latencies of all samples of a cell together, in milliseconds. */
function summarizePooled(cell: CellSlices): Cell['pooledMs'] {
  const series = buildSeries(cell, 'response');
  const unsustained = findUnsustained(cell);
  return estimateEachKey((key) => {
    if (unsustained !== null) return missing(unsustained);
    if (key === 'max') return greatest(series);
    const parts = listSamples(series);
    if (parts.length === 0) return missing({ code: 'no-valid-slice' });
    const finding = findUnsupported(countResponses(parts), QUANTILES[key]);
    return finding === null ? estimatePooled(series, key) : missing(finding);
  });
}

function greatest(series: Series): Estimate {
  const parts = listSamples(series);
  if (parts.length === 0) return missing({ code: 'no-valid-slice' });
  return estimateMaximum({ ...countResponses(parts), maxNs: Math.max(...parts.map((part) => part.maxNs)) });
}

/** Some slices have too few samples for the quantile. */
function tooFewIn(series: Series, key: QuantileName): Finding {
  const parts = listSamples(series);
  const needed = samplesNeeded(QUANTILES[key]);
  const short = parts.filter(({ intended }) => intended < needed);
  const has = Math.min(...short.map(({ intended }) => intended));
  return { code: 'too-few-samples-in-slices', needed, has, slices: short.length, ofSlices: parts.length };
}

/** The spread of a comparison, for planning: where the variance is, more rounds or more restarts help. */
function spreadOf(estimate: LogEstimateOrFinding): Cell['variance'] {
  if ('finding' in estimate) return { betweenRestarts: null, betweenRounds: null };
  const { betweenRestarts, betweenRounds } = splitVariance(estimate.logs);
  return { betweenRestarts, betweenRounds };
}

function mapKeys<From, To>(
  from: ReadonlyMap<LatencyKey, From>,
  convert: (value: From) => To,
): Partial<Record<LatencyKey, To>> {
  const keys: Partial<Record<LatencyKey, To>> = {};
  for (const key of LATENCY_KEYS) {
    const value = from.get(key);
    if (value !== undefined) keys[key] = convert(value);
  }
  return keys;
}

/** The mean over the slices whose readings succeeded, each weighted by its requests; null without one. */
function averageCpu(slices: readonly ValidSlice[]): Cell['cpuUsPerRequest'] {
  const read = slices.flatMap(({ record: { metrics, load } }) => {
    const [client, server] = [metrics.client.cpuUsPerRequest, metrics.server.cpuUsPerRequest];
    return client === null || server === null ? [] : [{ client, server, requests: load.requests }];
  });
  if (read.length === 0) return null;
  const all = read.reduce((sum, { requests }) => sum + requests, 0);
  const average = (side: 'client' | 'server', kind: keyof CpuCost): number =>
    read.reduce((sum, slice) => sum + slice[side][kind] * slice.requests, 0) / Math.max(all, 1);
  const costOf = (side: 'client' | 'server'): CpuCost => ({
    user: average(side, 'user'),
    system: average(side, 'system'),
    softirq: average(side, 'softirq'),
  });
  return { client: costOf('client'), server: costOf('server') };
}

const CURVE_STEPS = 100;

/**
 * Latency by percentile at points evenly spaced in the number of nines and at the published quantiles. It ends at the last
 * quantile that the samples support, or before the first request without a response.
 */
function buildCurve(samples: Samples): Cell['curve'] {
  if (samples.answered === 0) return [];
  const end = TAIL_SHARE ** (1 / Math.max(samples.intended, 2));
  const nines = -Math.log10(1 - end);
  const grid = Array.from(
    { length: CURVE_STEPS + 1 },
    (_, step) => 1 - 10 ** (-(nines * step) / CURVE_STEPS),
  );
  const published = Object.values(QUANTILES).filter((p) => p < end);
  return [...new Set([...grid, ...published])]
    .sort((a, b) => a - b)
    .flatMap((quantile) => {
      const cell = samples.atRank(quantileRank(samples.intended, quantile));
      return cell === null ? [] : [{ quantile, ms: cell.highNs * MS_PER_NS }];
    });
}
