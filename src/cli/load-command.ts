import { Command } from 'commander';
import { lookup } from 'node:dns/promises';
import { isIP } from 'node:net';
import { checkTarget, runStandalone } from '../load/index.js';
import { describeFinding } from '../report/index.js';
import {
  type BarewireError,
  ERROR_KINDS,
  LATENCY_KEYS,
  type LatencyEstimates,
  type LoadPlan,
  type LoadReading,
  type LoadResult,
  userError,
} from '../schema/index.js';
import { estimateLatencies, Histogram } from '../stats/index.js';
import { parseDurationMs, parseRate } from '../study/index.js';
import type { Context } from './format.js';

interface LoadFlags {
  readonly rate?: string;
  readonly closed?: true;
  readonly connections: string;
  readonly duration: string;
  readonly warmup: string;
  readonly timeout: string;
  readonly threads?: string;
  readonly cpus?: string;
  readonly arrival: string;
  readonly seed: string;
  readonly source?: string;
  readonly reportEvery?: string;
  readonly json?: true;
}

export const loadCommand = (context: Context): Command =>
  new Command('load')
    .summary('run the load generator alone')
    .description(
      'Sends requests to URL at a constant rate (open loop: each request is sent when it is due, whatever the responses do) and prints ' +
        'latencies from the intended time (response time) and from the actual send (service time).',
    )
    .argument('<url>', 'http://HOST[:PORT]/PATH')
    .option('--rate <rate>', 'requests per second: 5000, 50k')
    .option('--closed', 'closed loop: each connection sends when it has a response')
    .option('--connections <n>', 'kept open', '64')
    .option('--duration <time>', 'of the recorded window', '10s')
    .option('--warmup <time>', 'before it', '500ms')
    .option('--timeout <time>', 'a request without a response for this long counts as an error', '1s')
    .option('--threads <n>', 'generator threads (default: one for each of --cpus, else 1)')
    .option('--cpus <list>', 'pin the threads to these CPUs: 0,2')
    .option('--arrival <kind>', 'constant (a random phase for each connection) or poisson', 'constant')
    .option('--source <addresses>', 'source addresses of the connections, in turn: 10.0.0.5,10.0.0.6')
    .option('--report-every <time>', 'also report each interval: requests/s and response times')
    .option('--seed <n>', 'seed of the phases and gaps', '1')
    .option('--json', 'print one object; with --report-every, one line for each interval before it')
    .addHelpText(
      'after',
      `
Examples:
  barewire load http://127.0.0.1:8080/ --rate 5k
  barewire load http://10.0.0.2/file --closed --connections 128 --cpus 0,1 --json
  barewire load http://10.0.0.2/file --rate 20k --report-every 1s
  barewire load http://10.0.0.2/file --rate 1k --connections 60000 --source 10.0.0.5,10.0.0.6`,
    )
    .action((url: string, flags: LoadFlags) => load(context, url, flags));

async function load({ terminal, signal, fail }: Context, url: string, flags: LoadFlags): Promise<void> {
  const plan = await planOf(url, flags);
  const { status, bodyBytes, headerBytes } = await checkTarget(plan.target, plan.expect);
  terminal.note(
    `${url}: status ${status}, ${headerBytes} + ${bodyBytes} bytes. Loading for ${(plan.warmupMs + plan.durationMs) / 1_000} s …`,
  );
  const isJson = flags.json === true;
  const onReading = (reading: LoadReading): void => {
    const interval = intervalOf(reading);
    terminal.print(isJson ? JSON.stringify(interval) : intervalLine(interval));
  };
  const result = await runStandalone(
    { ...plan, expect: { status, bodyBytes } },
    { signal, warmsUp: true, ...(plan.readingMs === undefined ? {} : { onReading }) },
  );
  const output = outputOf(result);
  terminal.print(isJson ? JSON.stringify(output, null, plan.readingMs === undefined ? 2 : 0) : table(output));
  if (result.requests === 0) fail();
}

/** What `--report-every` prints of an interval. */
interface LoadInterval {
  /** From the opening of the recorded window. */
  readonly fromMs: number;
  readonly untilMs: number;
  /** Responses in the interval. */
  readonly requests: number;
  readonly achievedRps: number;
  readonly latencyMs: LatencyEstimates;
}

function intervalOf({ fromMs, untilMs, requests, response }: LoadReading): LoadInterval {
  return {
    fromMs: Math.round(fromMs),
    untilMs: Math.round(untilMs),
    requests,
    achievedRps: Math.round((requests / (untilMs - fromMs)) * 1_000),
    latencyMs: estimateLatencies(Histogram.decode(response), requests),
  };
}

const intervalLine = ({ untilMs, achievedRps, latencyMs }: LoadInterval): string =>
  `${(untilMs / 1_000).toFixed(1).padStart(6)} s  ${String(achievedRps).padStart(8)} requests/s  ` +
  (['p50', 'p99'] as const).map((key) => `${key} ${milliseconds(latencyMs, key)} ms`).join('  ');

const milliseconds = (estimates: LatencyEstimates, key: keyof LatencyEstimates): string =>
  estimates[key].value?.toPrecision(3) ?? '–';

/** What `--json` prints. */
interface LoadOutput extends Omit<LoadResult, 'response' | 'service'> {
  readonly latencyMs: LatencyEstimates;
  readonly serviceMs: LatencyEstimates;
}

function outputOf({ response, service, ...rest }: LoadResult): LoadOutput {
  return {
    ...rest,
    latencyMs: estimateLatencies(Histogram.decode(response), rest.intended),
    serviceMs: estimateLatencies(Histogram.decode(service), rest.intended),
  };
}

function table(output: LoadOutput): string {
  const rows = LATENCY_KEYS.map((key) => {
    const columns = [output.latencyMs, output.serviceMs].map((each) => milliseconds(each, key).padStart(12));
    return key.padEnd(9) + columns.join('');
  });
  const missing = LATENCY_KEYS.flatMap((key) => {
    const estimate = output.latencyMs[key];
    return estimate.value === null ? [`${key}: ${describeFinding(estimate.finding)}`] : [];
  });
  const errors = ERROR_KINDS.filter((kind) => output.errors[kind] > 0).map(
    (kind) => `${kind} ${output.errors[kind]}`,
  );
  const { selfCheck } = output;
  return [
    `${output.requests} requests in ${output.durationS.toFixed(2)} s: ${Math.round(output.achievedRps)} requests/s, ` +
      `errors: ${errors.length === 0 ? 'none' : errors.join(', ')}`,
    '',
    `ms       ${'response'.padStart(12)}${'service'.padStart(12)}`,
    ...rows,
    ...missing.map((why) => `  ${why}`),
    '',
    selfCheck.valid
      ? 'Generator self-check passed.'
      : `Generator self-check failed: ${selfCheck.findings.map(describeFinding).join('; ')}`,
  ].join('\n');
}

async function planOf(url: string, flags: LoadFlags): Promise<LoadPlan> {
  const cpus =
    flags.cpus === undefined ? [] : flags.cpus.split(',').map((cpu) => whole('--cpus', cpu, 0, 4_095));
  return {
    target: await targetOf(url),
    expect: { status: 200, bodyBytes: null },
    mode: modeOf(flags),
    connections: whole('--connections', flags.connections, 1, 1_000_000),
    threads:
      flags.threads === undefined ? Math.max(1, cpus.length) : whole('--threads', flags.threads, 1, 1_024),
    cpus,
    warmupMs: durationMs('--warmup', flags.warmup, 0),
    durationMs: durationMs('--duration', flags.duration, 100),
    timeoutMs: durationMs('--timeout', flags.timeout, 1),
    seed: whole('--seed', flags.seed, 0, 2 ** 31 - 1),
    ...(flags.source === undefined ? {} : { sources: sourcesOf(flags.source) }),
    ...(flags.reportEvery === undefined
      ? {}
      : { readingMs: durationMs('--report-every', flags.reportEvery, 100) }),
  };
}

function sourcesOf(text: string): string[] {
  const addresses = text.split(',').map((address) => address.trim());
  const wrong = addresses.find((address) => isIP(address) === 0);
  if (wrong === undefined) return addresses;
  throw bad(
    `--source must be IP addresses of this host, got "${wrong}".`,
    'For example: --source 10.0.0.5,10.0.0.6',
  );
}

function modeOf(flags: LoadFlags): LoadPlan['mode'] {
  if ((flags.closed === true) === (flags.rate !== undefined))
    throw bad('Give either --rate N (open loop) or --closed.', 'For example: --rate 5000');
  if (flags.rate === undefined) return { kind: 'closed' };
  const rate = parseRate(flags.rate);
  if (rate?.kind !== 'absolute')
    throw bad(
      `--rate must be a number of requests per second, got "${flags.rate}".`,
      'For example: 5000 or 50k.',
    );
  if (flags.arrival !== 'constant' && flags.arrival !== 'poisson')
    throw bad(`--arrival "${flags.arrival}" is unknown.`, 'It is constant or poisson.');
  return { kind: 'open', rateRps: rate.rps, arrival: flags.arrival };
}

async function targetOf(text: string): Promise<LoadPlan['target']> {
  const url = URL.canParse(text) ? new URL(text) : null;
  if (url?.protocol !== 'http:')
    throw bad(`URL must start with http://, got "${text}".`, 'For example: http://127.0.0.1:8080/file');
  const found = await lookup(url.hostname, { family: 4 }).catch((error: unknown) => {
    throw bad(
      `The host "${url.hostname}" has no IPv4 address.`,
      'Check the name, or use the address.',
      error,
    );
  });
  return {
    address: found.address,
    port: url.port === '' ? 80 : Number(url.port),
    path: `${url.pathname}${url.search}`,
    host: url.host,
  };
}

function whole(flag: string, text: string, least: number, most: number): number {
  const value = /^\d+$/.test(text) ? Number(text) : Number.NaN;
  if (value >= least && value <= most) return value;
  throw bad(
    `${flag} must be a whole number from ${least} to ${most}, got "${text}".`,
    'See `barewire load --help`.',
  );
}

function durationMs(flag: string, text: string, least: number): number {
  const ms = parseDurationMs(text);
  if (ms !== null && ms >= least && ms <= 3_600_000) return ms;
  throw bad(`${flag} must be a duration from ${least} ms to 1 h, got "${text}".`, 'Write 10s, 500ms or 2m.');
}

const bad = (message: string, hint: string, cause?: unknown): BarewireError =>
  userError(message, hint, { cause });
