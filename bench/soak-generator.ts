import { readdirSync, readFileSync } from 'node:fs';
import { GeneratorProcess, type Generator } from '../src/load/index.js';
import { childrenOf } from '../src/metrics/index.js';
import { findNetwork } from '../src/network/index.js';
import { SERVER_PORT, type LoadPlan, type LoadReading, type LoadResult } from '../src/schema/index.js';
import { serverSteps, startServer, workload } from '../src/server/index.js';
import { Histogram } from '../src/stats/index.js';
import { openTestbed, setUpNetwork } from '../src/testbed/index.js';
import { judgeTrend } from './trend.js';

const RATE_RPS = 50_000;

/** Changes over the run beyond which it is not steady. */
const LIMITS = { rate: 0.01, median: 0.1, rssMiB: 2, descriptors: 2 };

interface Row {
  readonly untilS: number;
  readonly rps: number;
  readonly p50Us: number;
  readonly p99Us: number;
  /** The generator's, with its threads. */
  readonly rssMiB: number;
  /** The generator's. */
  readonly descriptors: number;
  readonly nginxMiB: number;
}

/** One run of the generator at a constant rate: one thread, 64 connections, 350B over a veth pair. */
export async function soakGenerator(seconds: number, readingS: number): Promise<string> {
  await using testbed = await openTestbed({ kind: 'netns' }, { ip: 4, wire: { mtu: 1500, rateMbps: null } });
  const { client, server } = testbed;
  await using host = new GeneratorProcess(client.machine, client.cpus);
  await host.ready(1);
  await using active = await setUpNetwork(testbed, findNetwork('host'));
  await using nginx = await startServer(
    server.machine,
    serverSteps({
      dir: `/run/barewire/${testbed.run}-nginx`,
      netns: active.server.netns,
      address: active.server.address,
      port: SERVER_PORT,
      cpus: server.cpus,
    }),
  );
  await using generator = host.from(active.client.netns);
  const plan: LoadPlan = {
    target: {
      address: active.server.address,
      port: SERVER_PORT,
      path: workload('350B').path,
      host: active.server.address,
    },
    expect: { status: 200, bodyBytes: workload('350B').bodyBytes },
    mode: { kind: 'open', rateRps: RATE_RPS, arrival: 'constant' },
    connections: 64,
    threads: 1,
    cpus: client.cpus,
    warmupMs: 500,
    durationMs: seconds * 1000,
    readingMs: readingS * 1000,
    timeoutMs: 1000,
    seed: 1,
  };
  await nginx.ready(async () => {
    await generator.check(plan.target, plan.expect);
  });
  const nginxPids = [nginx.pid, ...(await childrenOf(server.machine, nginx.pid))];
  return await soak(generator, plan, nginxPids);
}

async function soak(generator: Generator, plan: LoadPlan, nginxPids: readonly number[]): Promise<string> {
  const nginxMiB = (): number => nginxPids.map(rssMiB).reduce((sum, one) => sum + one, 0);
  const rows: Row[] = [];
  const inspect = (reading: Omit<LoadReading, 'response'>, histogram: Histogram): void => {
    const { fromMs, untilMs, requests } = reading;
    rows.push({
      untilS: untilMs / 1000,
      rps: requests / ((untilMs - fromMs) / 1000),
      p50Us: histogram.quantile(0.5) / 1000,
      p99Us: histogram.quantile(0.99) / 1000,
      rssMiB: rssMiB(generator.pid),
      descriptors: readdirSync(`/proc/${generator.pid}/fd`).length,
      nginxMiB: nginxMiB(),
    });
  };
  const result = await generator.run(plan, {
    onReading: (reading) => inspect(reading, Histogram.decode(reading.response)),
  });
  return [...table(rows), selfCheckLine(result), ...judge(rows)].join('\n');
}

const rssMiB = (pid: number): number =>
  Number(/VmRSS:\s+(\d+)/.exec(readFileSync(`/proc/${pid}/status`, 'utf8'))?.[1] ?? NaN) / 1024;

function table(rows: readonly Row[]): string[] {
  const line = (cells: readonly string[]): string => cells.map((cell) => cell.padStart(14)).join('');
  return [
    line(['to, s', 'requests/s', 'median, µs', 'p99, µs', 'RSS, MiB', 'descriptors', 'nginx, MiB']),
    ...rows.map(({ untilS, rps, p50Us, p99Us, rssMiB: rss, descriptors, nginxMiB }) =>
      line([
        untilS.toFixed(1),
        rps.toFixed(0),
        p50Us.toFixed(1),
        p99Us.toFixed(0),
        rss.toFixed(1),
        String(descriptors),
        nginxMiB.toFixed(1),
      ]),
    ),
  ];
}

const selfCheckLine = ({ requests, intended, selfCheck }: LoadResult): string =>
  `${requests} of ${intended} requests received a response; self-check: ` +
  (selfCheck.valid ? 'passed' : selfCheck.findings.map(({ code }) => code).join(', '));

/** The first reading is left out: what a run makes once, it makes then. */
function judge(rows: readonly Row[]): string[] {
  const settled = rows.slice(1);
  const relative = (values: readonly number[]): number[] => values.map((value) => value / (values[0] ?? NaN));
  const shares = (what: string, values: readonly number[], limit: number): string =>
    judgeTrend(what, relative(values), limit, (change) => `${(change * 100).toFixed(2)} %`, 'both');
  const memory = (what: string, values: readonly number[]): string =>
    judgeTrend(what, values, LIMITS.rssMiB, (change) => `${change.toFixed(2)} MiB`, 'up');
  return [
    memory(
      'memory of the generator',
      settled.map((row) => row.rssMiB),
    ),
    memory(
      'memory of nginx',
      settled.map((row) => row.nginxMiB),
    ),
    judgeTrend(
      'open files of the generator',
      settled.map((row) => row.descriptors),
      LIMITS.descriptors,
      (change) => change.toFixed(0),
      'up',
    ),
    shares(
      'rate',
      settled.map(({ rps }) => rps),
      LIMITS.rate,
    ),
    shares(
      'median',
      settled.map(({ p50Us }) => p50Us),
      LIMITS.median,
    ),
  ];
}
