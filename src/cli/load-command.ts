import { Command } from 'commander';
import { lookup } from 'node:dns/promises';
import { checkTarget, runStandalone } from '../load/index.js';
import { describeFinding } from '../report/index.js';
import {
  type BarewireError,
  ERROR_KINDS,
  LATENCY_KEYS,
  type LatencyEstimates,
  type LoadPlan,
  type LoadResult,
  userError,
} from '../schema/index.js';
import { estimateLatencies, Histogram } from '../stats/index.js';
import { parseDurationMs, parseRate } from '../study/index.js';
import type { Context } from './context.js';

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
    .option('--seed <n>', 'seed of the phases and gaps', '1')
    .option('--json', 'print one object')
    .addHelpText(
      'after',
      `
Examples:
  barewire load http://127.0.0.1:8080/ --rate 5k
  barewire load http://10.0.0.2/file --closed --connections 128 --cpus 0,1 --json`,
    )
    .action((url: string, flags: LoadFlags) => load(context, url, flags));

async function load({ terminal, signal, fail }: Context, url: string, flags: LoadFlags): Promise<void> {
  const plan = await planOf(url, flags);
  const { status, bodyBytes, headerBytes } = await checkTarget(plan.target, plan.expect);
  terminal.note(
    `${url}: status ${status}, ${headerBytes} + ${bodyBytes} bytes. Loading for ${(plan.warmupMs + plan.durationMs) / 1_000} s …`,
  );
  const result = await runStandalone({ ...plan, expect: { status, bodyBytes } }, { signal, rehearses: true });
  const output = outputOf(result);
  terminal.print(flags.json === true ? JSON.stringify(output, null, 2) : table(output));
  if (result.requests === 0) fail();
}

/** What `--json` prints. */
export interface LoadOutput extends Omit<LoadResult, 'response' | 'service'> {
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
  const cell = (figures: LatencyEstimates, key: keyof LatencyEstimates): string => {
    const figure = figures[key];
    return (figure.value === null ? '–' : figure.value.toPrecision(3)).padStart(12);
  };
  const rows = LATENCY_KEYS.map(
    (key) => `${key.padEnd(9)}${cell(output.latencyMs, key)}${cell(output.serviceMs, key)}`,
  );
  const missing = LATENCY_KEYS.flatMap((key) => {
    const figure = output.latencyMs[key];
    return figure.value === null ? [`${key}: ${describeFinding(figure.finding)}`] : [];
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
  };
}

function modeOf(flags: LoadFlags): LoadPlan['mode'] {
  if ((flags.closed === true) === (flags.rate !== undefined))
    throw bad('Give either --rate N (open loop) or --closed.', 'For example: --rate 5000');
  if (flags.rate === undefined) return { kind: 'closed' };
  const rate = parseRate(flags.rate);
  if (rate?.kind !== 'absolute')
    throw bad(`--rate must be a number of requests per second, got "${flags.rate}".`, 'For example: 5000 or 50k.');
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
