import { whole } from '../report/index.js';
import {
  ERROR_KINDS,
  type Finding,
  type LatencyEstimates,
  type LoadReading,
  type LoadResult,
} from '../schema/index.js';
import { estimateLatencies, Histogram } from '../stats/index.js';

/** What `--report-every` prints of an interval. */
export interface LoadInterval {
  /** From the opening of the recorded window. */
  readonly fromMs: number;
  readonly untilMs: number;
  /** Expected responses in the interval, and requests that failed. */
  readonly requests: number;
  readonly failed: number;
  readonly achievedRps: number;
  readonly latencyMs: LatencyEstimates;
}

export function intervalOf({ fromMs, untilMs, requests, failed, response }: LoadReading): LoadInterval {
  return {
    fromMs: Math.round(fromMs),
    untilMs: Math.round(untilMs),
    requests,
    failed,
    achievedRps: Math.round((requests / (untilMs - fromMs)) * 1_000),
    latencyMs: estimateLatencies(Histogram.decode(response), requests),
  };
}

export interface Spread {
  readonly min: number | null;
  readonly mean: number | null;
  readonly p10: number | null;
  readonly p25: number | null;
  readonly p75: number | null;
}

export interface Bucket {
  readonly fromMs: number;
  readonly untilMs: number;
  readonly requests: number;
}

/** What `--json` prints. */
export interface LoadOutput extends Omit<LoadResult, 'response' | 'service'> {
  /** Without user and password. */
  readonly url: string;
  readonly address: string;
  readonly expectedStatus: number;
  readonly startedAt: string;
  readonly endedAt: string;
  /** Of the requests of the window, those with the expected response, 0 to 1. */
  readonly successShare: number;
  /** Response times, from the intended time, and service times, from the send. */
  readonly latencyMs: LatencyEstimates;
  readonly serviceMs: LatencyEstimates;
  readonly latencySpreadMs: Spread;
  readonly serviceSpreadMs: Spread;
  /** Of response times. */
  readonly histogram: readonly Bucket[];
  /** CPU seconds of the whole process, with its start and the warm-up of the JIT. */
  readonly processCpuSeconds: { readonly user: number; readonly system: number };
  readonly findings: readonly Finding[];
}

export interface LoadFacts extends Pick<
  LoadOutput,
  'url' | 'address' | 'expectedStatus' | 'startedAt' | 'processCpuSeconds' | 'findings'
> {
  /** Of net.ipv4.ip_local_port_range; 0 where it cannot be read. */
  readonly ports: number;
}

export function outputOf({ response, service, ...rest }: LoadResult, facts: LoadFacts): LoadOutput {
  const { ports, findings, ...described } = facts;
  const [responses, services] = [Histogram.decode(response), Histogram.decode(service)];
  return {
    ...described,
    endedAt: new Date().toISOString(),
    ...rest,
    successShare: rest.intended === 0 ? 0 : rest.requests / rest.intended,
    latencyMs: estimateLatencies(responses, rest.intended),
    serviceMs: estimateLatencies(services, rest.intended),
    latencySpreadMs: spreadOf(responses, rest.intended),
    serviceSpreadMs: spreadOf(services, rest.intended),
    histogram: bucketsOf(responses),
    findings: [...findings, ...findingsOf({ ...rest, expectedStatus: facts.expectedStatus }, ports)],
  };
}

/** Requests without a response are infinitely late: only the minimum and low quantiles are known then. */
function spreadOf(histogram: Histogram, intended: number): Spread {
  const { count } = histogram;
  if (count === 0) return { min: null, mean: null, p10: null, p25: null, p75: null };
  let sum = 0;
  for (const { lowNs, highNs, count: times } of histogram.cells()) sum += ((lowNs + highNs) / 2) * times;
  const quantile = (q: number): number | null => {
    const rank = Math.ceil(q * intended);
    return rank > count ? null : histogram.valueAtRank(rank) / 1e6;
  };
  return {
    min: histogram.min / 1e6,
    mean: count < intended ? null : sum / count / 1e6,
    p10: quantile(0.1),
    p25: quantile(0.25),
    p75: quantile(0.75),
  };
}

/** Steps of 1, 2 and 5 from the least to the greatest value. */
function bucketsOf(histogram: Histogram): Bucket[] {
  const edges = [-6, -5, -4, -3, -2, -1, 0, 1, 2, 3, 4].flatMap((power) =>
    [1, 2, 5].map((digit) => Number(`${digit}e${power}`)),
  );
  const counts = edges.map(() => 0);
  for (const { highNs, count } of histogram.cells()) {
    const at = edges.findIndex((edge) => highNs / 1e6 <= edge);
    const place = at < 0 ? edges.length - 1 : at;
    counts[place] = (counts[place] ?? 0) + count;
  }
  const first = counts.findIndex((count) => count > 0);
  const last = counts.findLastIndex((count) => count > 0);
  return edges
    .map((untilMs, at) => ({ fromMs: edges[at - 1] ?? 0, untilMs, requests: counts[at] ?? 0 }))
    .filter((_, at) => first >= 0 && at >= first && at <= last);
}

type Counts = Pick<
  LoadOutput,
  'errors' | 'traffic' | 'requests' | 'intended' | 'selfCheck' | 'expectedStatus'
>;

function findingsOf(counts: Counts, ports: number): Finding[] {
  const { errors, traffic, requests, intended, selfCheck } = counts;
  const kinds = ERROR_KINDS.filter((kind) => errors[kind] > 0);
  const findings: Finding[] = [];
  const [only] = kinds;
  if (requests === 0 && kinds.length === 1 && only !== undefined)
    findings.push({ code: 'all-failed', kind: failureText(only, counts), failed: errors[only] });
  const closed = (traffic?.closedAfterResponse ?? 0) + selfCheck.connectionsLost;
  if (closed > intended / 2)
    findings.push({ code: 'connections-not-kept', closed, requests: intended, ports });
  if (traffic?.malformed !== undefined && errors.malformed > 0)
    findings.push({ code: 'responses-malformed', malformed: errors.malformed, what: traffic.malformed });
  return findings;
}

/** `status (503)`, `connect (ECONNREFUSED)`, `timeout`. */
export function failureText(
  kind: (typeof ERROR_KINDS)[number],
  { traffic, expectedStatus }: Pick<LoadOutput, 'traffic' | 'expectedStatus'>,
): string {
  const details = {
    status: Object.keys(traffic?.statuses ?? {}).filter((status) => Number(status) !== expectedStatus),
    connect: Object.keys(traffic?.connectErrors ?? {}),
    length: traffic?.bodyLength == null ? [] : [`${bodyText(traffic.bodyLength)} bytes`],
  };
  const found = kind in details ? details[kind as keyof typeof details] : [];
  return found.length === 0 ? kind : `${kind} (${found.join(', ')})`;
}

export const bodyText = ({ min, max }: { readonly min: number; readonly max: number }): string =>
  min === max ? whole(min) : `${whole(min)} to ${whole(max)}`;
