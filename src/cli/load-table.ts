import { describeFinding, three, whole } from '../report/index.js';
import { ERROR_KINDS, LATENCY_KEYS, type LoadResult } from '../schema/index.js';
import {
  bodyText,
  failureText,
  type Bucket,
  type LoadInterval,
  type LoadOutput,
  type Spread,
} from './load-output.js';

export const intervalLine = ({ untilMs, achievedRps, failed, latencyMs }: LoadInterval): string =>
  `${(untilMs / 1_000).toFixed(1).padStart(6)} s  ${String(achievedRps).padStart(8)} requests/s  ` +
  (['p50', 'p99'] as const).map((key) => `${key} ${cell(latencyMs[key].value)} ms`).join('  ') +
  (failed === 0 ? '' : `  failed ${whole(failed)}`);

const cell = (ms: number | null): string => ms?.toPrecision(3) ?? '–';

export function loadTable(output: LoadOutput): string {
  const { latencyMs, serviceMs, latencySpreadMs, serviceSpreadMs, selfCheck } = output;
  const row = (name: string, response: number | null, service: number | null): string =>
    name.padEnd(9) + [response, service].map((value) => cell(value).padStart(12)).join('');
  const spread = (name: keyof Spread): string => row(name, latencySpreadMs[name], serviceSpreadMs[name]);
  const quantiles = LATENCY_KEYS.map((key) => row(key, latencyMs[key].value, serviceMs[key].value));
  const missing = LATENCY_KEYS.flatMap((key) => {
    const estimate = latencyMs[key];
    return estimate.value === null ? [`  ${key}: ${describeFinding(estimate.finding)}`] : [];
  });
  return [
    ...summaryLines(output),
    ...output.findings.map(describeFinding),
    '',
    `ms       ${'response'.padStart(12)}${'service'.padStart(12)}`,
    ...(['min', 'mean', 'p10', 'p25'] as const).map(spread),
    ...quantiles.slice(0, 1),
    spread('p75'),
    ...quantiles.slice(1),
    ...missing,
    '',
    ...histogramLines(output.histogram),
    selfCheck.valid
      ? 'Generator self-check passed.'
      : `Generator self-check failed: ${selfCheck.findings.map(describeFinding).join('; ')}`,
  ].join('\n');
}

function summaryLines(output: LoadOutput): string[] {
  const { requests, intended, durationS, errors, traffic, successShare } = output;
  const kinds = ERROR_KINDS.filter((kind) => errors[kind] > 0).map(
    (kind) => `${failureText(kind, output)} ${whole(errors[kind])}`,
  );
  const missed = output.selfCheck.missedSends;
  if (missed > 0) kinds.push(`never sent ${whole(missed)}`);
  const { user, system } = output.cpuSeconds;
  const polled = (output.busyPolledSeconds?.user ?? 0) + (output.busyPolledSeconds?.system ?? 0);
  const process = output.processCpuSeconds;
  return [
    `${whole(requests)} of ${whole(intended)} requests succeeded (${successText(successShare)}) in ${durationS.toFixed(2)} s: ` +
      `${whole(output.achievedRps)} requests/s`,
    `errors       ${kinds.length === 0 ? 'none' : kinds.join(', ')}`,
    ...(traffic === undefined ? [] : trafficLines(output, traffic)),
    `CPU          ${three(user + system)} s in the window, of it ${three(polled)} s busy polling; ` +
      `${three(process.user + process.system)} s of the whole process, with its start and JIT warm-up`,
  ];
}

/** Rounded down: one failure of a million is not 100 %. */
const successText = (share: number): string => `${Math.floor(share * 1e5) / 1e3} %`;

function trafficLines(
  { intended, durationS, selfCheck }: LoadOutput,
  traffic: NonNullable<LoadResult['traffic']>,
): string[] {
  const statuses = Object.entries(traffic.statuses).map(([status, count]) => `${status}: ${whole(count)}`);
  const each = (bytes: number): string => three(bytes / Math.max(intended, 1));
  const { bodyLength, connectUs } = traffic;
  const failed = Object.entries(traffic.connectErrors).map(([errno, count]) => `${errno} ${whole(count)}`);
  return [
    `statuses     ${statuses.length === 0 ? 'none' : statuses.join(', ')}`,
    `bytes        sent ${bytesText(traffic.sentBytes)} (${each(traffic.sentBytes)} a request), ` +
      `received ${bytesText(traffic.receivedBytes)} (${each(traffic.receivedBytes)} a request, ` +
      `${bytesText(traffic.receivedBytes / durationS)}/s), bodies ${bytesText(traffic.bodyBytes)}` +
      (bodyLength === null ? '' : ` (${bodyText(bodyLength)} each)`),
    `connections  ${whole(traffic.opened)} opened` +
      (connectUs === null
        ? ''
        : ` in ms: p50 ${three(connectUs.p50 / 1e3)}, p99 ${three(connectUs.p99 / 1e3)}, max ${three(connectUs.max / 1e3)}`) +
      (traffic.closedAfterResponse === 0
        ? ''
        : `; ${whole(traffic.closedAfterResponse)} closed by the server after a response`) +
      (selfCheck.connectionsLost === 0 ? '' : `; ${whole(selfCheck.connectionsLost)} lost`) +
      (failed.length === 0 ? '' : `; not opened: ${failed.join(', ')}`),
  ];
}

const UNITS = ['bytes', 'kB', 'MB', 'GB', 'TB'] as const;

function bytesText(bytes: number): string {
  const unit = Math.min(Math.floor(Math.log10(Math.max(bytes, 1)) / 3), UNITS.length - 1);
  return `${three(bytes / 1000 ** unit)} ${UNITS[unit] ?? ''}`;
}

const BAR = 40;

function histogramLines(buckets: readonly Bucket[]): string[] {
  if (buckets.length === 0) return [];
  const most = Math.max(...buckets.map(({ requests }) => requests));
  const lines = buckets.map(
    ({ untilMs, requests }) =>
      `≤ ${String(untilMs).padStart(7)} ms ${whole(requests).padStart(12)}  ${'■'.repeat(Math.ceil((requests / most) * BAR))}`,
  );
  return ['Response times', ...lines, ''];
}
