import {
  groupFindings,
  LATENCY_KEYS,
  missing,
  QUANTILES,
  type Cell,
  type CpuCost,
  type Estimate,
  type LatencyKey,
} from '../schema/index.js';
import type { CellSlices, ValidSlice } from './cells.js';
import {
  buildSeries,
  countResponses,
  estimateLogLatency,
  findSections,
  listSamples,
  toEstimate,
} from './log-estimate.js';
import { quantileRank, TAIL_SHARE } from './order-ranks.js';
import { estimatePooled } from './pooled.js';
import { estimateEachKey, estimateMaximum, MS_PER_NS } from './quantile-estimates.js';
import type { ReferenceComparison } from './reference-ratios.js';
import { Samples } from './samples.js';
import { findTailCauses } from './tail.js';

/** The least share of the offered rate that a sustained cell achieves. */
const SUSTAINED_SHARE = 0.99;

export function summarizeCell(cell: CellSlices, comparison: ReferenceComparison): Cell {
  const { workload, rateRps, rateOfMax, records, valid, refused } = cell;
  const measured = records.filter((record) => record.status === 'measured');
  const pooled = Samples.pool(valid.map((slice) => slice.response));
  const latencyMs = summarizeLatencies(cell, 'response');
  const achievedRps =
    valid.reduce((sum, { record }) => sum + record.load.achievedRps, 0) / Math.max(valid.length, 1);
  const findings = records.flatMap((record) =>
    record.status === 'failed' ? [record.finding] : record.load.selfCheck.findings,
  );
  return {
    workload,
    rateRps,
    rateOfMax,
    achievedRps,
    sustained: valid.length === 0 ? null : achievedRps >= rateRps * SUSTAINED_SHARE,
    slices: valid.length,
    invalidSlices: measured.length - valid.length,
    failedSlices: records.length - measured.length,
    samples: pooled.answered,
    latencyMs,
    serviceMs: summarizeLatencies(cell, 'service'),
    ratioToReference: mapKeys(comparison.ratios, (ratio) => toEstimate(ratio, 1)),
    verdicts: mapKeys(comparison.verdicts, (verdict) => verdict),
    cpuUsPerRequest:
      valid.length === 0
        ? null
        : { client: averageCpu(valid, 'client'), server: averageCpu(valid, 'server') },
    ...(comparison.cpu === null ? {} : { cpuRatioToReference: toEstimate(comparison.cpu, 1) }),
    tail: findTailCauses(cell, latencyMs),
    selfCheck: { valid: valid.length > 0, findings: groupFindings([...findings, ...refused]) },
    curve: buildCurve(pooled),
  };
}

/** A cell's latencies in milliseconds: the mean over slices where each supports the quantile, else the pooled quantile. */
export function summarizeLatencies(cell: CellSlices, latency: 'response' | 'service'): Cell['latencyMs'] {
  const series = buildSeries(cell, latency);
  let floorMs = 0;
  return estimateEachKey((key) => {
    const sections = findSections(series, key);
    let estimate: Estimate;
    if ('finding' in sections) estimate = missing(sections.finding);
    else if (key === 'max') {
      const parts = listSamples(series);
      const maxNs = Math.max(...parts.map((part) => part.maxNs));
      estimate = estimateMaximum({ ...countResponses(parts), maxNs });
    } else if (sections.perSlice) estimate = toEstimate(estimateLogLatency(series, key), MS_PER_NS);
    else estimate = estimatePooled(series, key);
    // Where slices support one quantile and only their pool the next, the second may come out below the first.
    if (estimate.value !== null && estimate.value < floorMs) {
      const { high } = estimate;
      estimate = { ...estimate, value: floorMs, high: high === null ? null : Math.max(high, floorMs) };
    }
    floorMs = estimate.value ?? floorMs;
    return estimate;
  });
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

/** The mean over the slices, each weighted by its requests. */
function averageCpu(slices: readonly ValidSlice[], side: 'client' | 'server'): CpuCost {
  const requests = slices.reduce((sum, { record }) => sum + record.load.requests, 0);
  const average = (kind: keyof CpuCost): number =>
    slices.reduce(
      (sum, { record }) => sum + record.metrics[side].cpuUsPerRequest[kind] * record.load.requests,
      0,
    ) / Math.max(requests, 1);
  return { user: average('user'), system: average('system'), softirq: average('softirq') };
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
