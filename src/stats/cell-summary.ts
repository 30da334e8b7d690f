import {
  asOne,
  LATENCY_KEYS,
  withoutFigures,
  type Cell,
  type CpuCost,
  type Estimate,
  type LatencyKey,
} from '../schema/index.js';
import type { CellSlices, ValidSlice } from './cells.js';
import { curveOf } from './curve.js';
import { toEstimate, latencyEstimate } from './estimate.js';
import { pooledFigure } from './pooled.js';
import type { Compared } from './reference-ratios.js';
import { Samples } from './samples.js';
import { carried, partsOf, seriesOf, totalOf, type Latency, type Series } from './series.js';
import { tailOf } from './tail.js';
import { eachKey, maxFigure, MS_PER_NS } from './within.js';

export function cellSummary(cell: CellSlices, compared: Compared): Cell {
  const { workload, rateRps, rateOfMax, records, valid } = cell;
  const measured = records.filter((record) => record.status === 'measured');
  const pooled = Samples.pool(valid.map((slice) => slice.response));
  const latencyMs = latencies(cell, 'response');
  return {
    workload,
    rateRps,
    rateOfMax,
    achievedRps: mean(valid.map((slice) => slice.record.load.achievedRps)),
    slices: valid.length,
    invalidSlices: measured.length - valid.length,
    failedSlices: records.length - measured.length,
    samples: pooled.answered,
    latencyMs,
    serviceMs: latencies(cell, 'service'),
    ratioToReference: byKey(compared.ratios, (ratio) => toEstimate(ratio, 1)),
    verdicts: byKey(compared.verdicts, (verdict) => verdict),
    cpuUsPerRequest:
      valid.length === 0 ? null : { client: cpu(valid, 'client'), server: cpu(valid, 'server') },
    ...(compared.cpu === null ? {} : { cpuRatioToReference: toEstimate(compared.cpu, 1) }),
    tail: tailOf(cell, latencyMs),
    selfCheck: { valid: valid.length > 0, reasons: reasons(cell) },
    curve: curveOf(pooled),
  };
}

/** A cell's latencies in milliseconds: what a slice says where each can, else what all together do. */
export function latencies(cell: CellSlices, latency: Latency): Cell['latencyMs'] {
  const series = seriesOf(cell, latency);
  let floorMs = 0;
  return eachKey((key) => {
    const figure = notBelow(floorMs, latencyFigure(series, key));
    floorMs = figure.value ?? floorMs;
    return figure;
  });
}

function latencyFigure(series: Series, key: LatencyKey): Estimate {
  const carry = carried(series, key);
  if ('why' in carry) return { value: null, why: carry.why };
  if (key === 'max') return greatest(partsOf(series));
  return carry.alone ? toEstimate(latencyEstimate(series, key), MS_PER_NS) : pooledFigure(series, key);
}

const greatest = (parts: readonly Samples[]): Estimate =>
  maxFigure({ ...totalOf(parts), maxNs: Math.max(...parts.map(({ maxNs }) => maxNs)) });

// Where slices carry one quantile and only their pool the next, the second may come out below the mean of the first.
function notBelow(floorMs: number, figure: Estimate): Estimate {
  if (figure.value === null || figure.value >= floorMs) return figure;
  return { ...figure, value: floorMs, high: figure.high === null ? null : Math.max(figure.high, floorMs) };
}

function byKey<From, To>(
  from: ReadonlyMap<LatencyKey, From>,
  to: (value: From) => To,
): Partial<Record<LatencyKey, To>> {
  const keys: Partial<Record<LatencyKey, To>> = {};
  for (const key of LATENCY_KEYS) {
    const value = from.get(key);
    if (value !== undefined) keys[key] = to(value);
  }
  return keys;
}

/** The mean over the slices, each weighted by its requests. */
function cpu(slices: readonly ValidSlice[], side: 'client' | 'server'): CpuCost {
  const requests = slices.reduce((sum, { record }) => sum + record.load.requests, 0);
  const of = (kind: keyof CpuCost): number =>
    slices.reduce(
      (sum, { record }) => sum + record.metrics[side].cpuUsPerRequest[kind] * record.load.requests,
      0,
    ) / Math.max(requests, 1);
  return { user: of('user'), system: of('system'), softirq: of('softirq') };
}

/** Why slices do not count, or count with a remark: those that differ in their figures alone as one, with how many gave it. */
function reasons({ records, refused }: CellSlices): string[] {
  const said = records.flatMap((record) =>
    record.status === 'failed' ? [record.reason] : record.load.selfCheck.reasons,
  );
  const alike = new Map<string, [string, ...string[]]>();
  for (const reason of [...said, ...refused].sort()) {
    const group = alike.get(withoutFigures(reason));
    if (group === undefined) alike.set(withoutFigures(reason), [reason]);
    else group.push(reason);
  }
  return [...alike.values()].map((all) => `${asOne(all)} (${all.length} of ${records.length} slices)`);
}

const mean = (values: readonly number[]): number =>
  values.reduce((sum, value) => sum + value, 0) / Math.max(values.length, 1);
