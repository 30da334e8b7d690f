import { Command } from 'commander';
import { readFile } from 'node:fs/promises';
import { isIP } from 'node:net';
import { runStandalone } from '../load/index.js';
import {
  durationQuantity,
  machineError,
  rateQuantity,
  requireQuantity,
  userError,
  wholeQuantity,
  type BarewireError,
  type LoadPlan,
  type LoadReading,
} from '../schema/index.js';
import type { Context } from './format.js';
import { intervalOf, outputOf } from './load-output.js';
import { buildRequest, type RequestFlags } from './load-request.js';
import { intervalLine, loadTable } from './load-table.js';
import { lookUpAddresses, parseLoadUrl, reachTarget, type Family } from './load-target.js';

interface LoadFlags extends RequestFlags {
  readonly expectStatus?: string;
  readonly expectLength?: string;
  readonly ipv4?: true;
  readonly ipv6?: true;
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
    .argument(
      '<url>',
      'http://[USER:PASSWORD@]HOST[:PORT]/PATH; HOST is a name, an IPv4 address, or [IPv6], with a zone: [fe80::1%25eth0]',
    )
    .option('-4, --ipv4', 'use only IPv4 addresses of the host')
    .option('-6, --ipv6', 'use only IPv6 addresses')
    .option(
      '--header <header>',
      "add a header, as often as needed: 'Accept-Encoding: gzip'",
      (header: string, before: string[]) => [...before, header],
      [],
    )
    .option('--host <host>', "the header Host (default: the URL's host and port)")
    .option('--method <method>', 'default: GET, with --body POST')
    .option('--body <text>', 'send this body, or that of a file: @FILE')
    .option('--user <user>', 'Basic authentication: NAME:PASSWORD, or @FILE, which has it')
    .option(
      '--expect-status <status>',
      'count other statuses as errors (default: the status of the first response, below 500)',
    )
    .option('--expect-length <bytes>', 'count bodies of another length as errors (default: any length)')
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
  barewire load http://10.0.0.2/file --rate 1k --connections 60000 --source 10.0.0.5,10.0.0.6
  barewire load http://[::1]:8080/login --rate 100 --method POST --body @form.json --header 'Content-Type: application/json'

Exit status: 0 when more than half of the requests received the expected response, 1 when not, 2 for a wrong option, 3 when the first
request fails.`,
    )
    .action((url: string, flags: LoadFlags) => load(context, url, flags));

/** The first request opens a connection and may find the server idle: it may take longer than --timeout. */
const LEAST_CHECK_MS = 5_000;

async function load(context: Context, text: string, flags: LoadFlags): Promise<void> {
  const { terminal, signal, fail } = context;
  context.announceStop('Interrupted. Stopping the load …');
  const url = parseLoadUrl(text);
  const settings = settingsOf(flags);
  const expect = expectationOf(flags);
  const request = await buildRequest(url, flags, context.version);
  const { target, checked } = await reachTarget(
    { ...request, port: url.port },
    await lookUpAddresses(url.hostname, familyOf(flags, settings.sources)),
    expect,
    { source: settings.sources?.[0], limitMs: Math.max(settings.timeoutMs, LEAST_CHECK_MS) },
  );
  const shown = `http://${url.host}${url.path}`;
  const { status, bodyBytes, headerBytes, location } = checked;
  if (expect.status === null && status >= 500)
    throw machineError(
      'load-failed',
      `${shown} at ${target.address} responded with status ${status}: the server has failed.`,
      `Check the server's log, or load it all the same: --expect-status ${status}`,
    );
  const plan: LoadPlan = { ...settings, target, expect: { status, bodyBytes: expect.bodyBytes } };
  terminal.note(
    `${shown} at ${target.address}: status ${status}, ${headerBytes} + ${bodyBytes} bytes. ` +
      `Loading for ${(plan.warmupMs + plan.durationMs) / 1_000} s …`,
  );
  const isJson = flags.json === true;
  const onReading = (reading: LoadReading): void => {
    const interval = intervalOf(reading);
    terminal.print(isJson ? JSON.stringify(interval) : intervalLine(interval));
  };
  const startedAt = new Date().toISOString();
  const result = await runStandalone(plan, {
    signal,
    warmsUp: true,
    ...(plan.readingMs === undefined ? {} : { onReading }),
  });
  const cpu = process.cpuUsage();
  const output = outputOf(result, {
    url: shown,
    address: target.address,
    expectedStatus: status,
    startedAt,
    processCpuSeconds: { user: cpu.user / 1e6, system: cpu.system / 1e6 },
    ports: await localPorts(),
    findings:
      expect.status === null && (status < 200 || status > 299)
        ? [{ code: 'status-chosen', status, location }]
        : [],
  });
  terminal.print(
    isJson ? JSON.stringify(output, null, plan.readingMs === undefined ? 2 : 0) : loadTable(output),
  );
  if (output.successShare <= 0.5) fail();
}

/** How many ports the kernel has for connections from one address; 0 where it does not say. */
async function localPorts(): Promise<number> {
  const text = await readFile('/proc/sys/net/ipv4/ip_local_port_range', 'ascii').catch(() => '');
  const [, first, last] = /^(\d+)\s+(\d+)$/.exec(text.trim()) ?? [];
  return first === undefined ? 0 : Number(last) - Number(first) + 1;
}

function settingsOf(flags: LoadFlags): Omit<LoadPlan, 'target' | 'expect'> {
  const cpus =
    flags.cpus === undefined ? [] : flags.cpus.split(',').map((cpu) => whole('--cpus', cpu, 0, 4_095));
  return {
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

const expectationOf = ({ expectStatus, expectLength }: LoadFlags) => ({
  status: expectStatus === undefined ? null : whole('--expect-status', expectStatus, 200, 599),
  bodyBytes:
    expectLength === undefined ? null : whole('--expect-length', expectLength, 0, Number.MAX_SAFE_INTEGER),
});

/** Of the target's addresses: what the user asks for, and what the sources can reach. */
function familyOf({ ipv4, ipv6 }: LoadFlags, sources: LoadPlan['sources'] = []): Family | null {
  const wanted = new Set<Family>([
    ...(ipv4 === true ? [4 as const] : []),
    ...(ipv6 === true ? [6 as const] : []),
    ...sources.map((source) => isIP(source) as Family),
  ]);
  if (wanted.size > 1)
    throw bad(
      '--ipv4, --ipv6 and --source require addresses of IPv4 and of IPv6 at once.',
      'Use addresses of one family.',
    );
  return [...wanted][0] ?? null;
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
  const rate = requireQuantity('--rate', flags.rate, rateQuantity);
  if (rate.kind !== 'absolute')
    throw bad(
      `--rate must be a number of requests per second, got "${flags.rate}".`,
      'For example: 5000 or 50k.',
    );
  if (flags.arrival !== 'constant' && flags.arrival !== 'poisson')
    throw bad(`--arrival "${flags.arrival}" is unknown.`, 'It is constant or poisson.');
  return { kind: 'open', rateRps: rate.rps, arrival: flags.arrival };
}

const whole = (flag: string, text: string, least: number, most: number): number =>
  requireQuantity(flag, text, wholeQuantity(least, most));

const durationMs = (flag: string, text: string, least: number): number =>
  requireQuantity(flag, text, durationQuantity(least, 3_600_000));

const bad = (message: string, hint: string): BarewireError => userError(message, hint);
