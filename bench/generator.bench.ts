import { execFileSync, spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { setTimeout as sleep } from 'node:timers/promises';
import type { LoadPlan, LoadResult } from '../src/schema/index.js';

export const title =
  'Generator: closed loop against wrk, one thread on one CPU, 64 connections, 350-byte answers over a veth pair';

const PAIRS = 7;
const SECONDS = 2;
const CLIENT = { netns: 'bwgen-client', address: '10.213.7.1', cpu: '1' };
const SERVER = { netns: 'bwgen-server', address: '10.213.7.2', cpu: '0' };
const BUNDLE = join(import.meta.dirname, 'agent.mjs');

interface Measured {
  readonly rps: number;
  readonly cpuUs: number;
}

export async function bench(): Promise<string> {
  await using server = await startServer();
  const pairs: { wrk: Measured; barewire: Measured }[] = [];
  for (let pair = 0; pair < PAIRS; pair++) {
    // Who goes first changes, so that a drift of the machine favours neither.
    if (pair % 2 === 0) {
      const wrk = await runWrk(server.url);
      pairs.push({ wrk, barewire: await runBarewire() });
    } else {
      const barewire = await runBarewire();
      pairs.push({ wrk: await runWrk(server.url), barewire });
    }
  }
  const ratio = (of: (measured: Measured) => number): string =>
    median(pairs.map(({ wrk, barewire }) => of(barewire) / of(wrk))).toFixed(3);
  return [
    'pair      wrk req/s  barewire req/s   ratio   wrk µs CPU/req  barewire µs CPU/req',
    ...pairs.map(({ wrk, barewire }, i) =>
      [
        String(i + 1).padEnd(6),
        wrk.rps.toFixed(0).padStart(12),
        barewire.rps.toFixed(0).padStart(16),
        (barewire.rps / wrk.rps).toFixed(3).padStart(8),
        wrk.cpuUs.toFixed(2).padStart(17),
        barewire.cpuUs.toFixed(2).padStart(21),
      ].join(''),
    ),
    `median ratio: ${ratio(({ rps }) => rps)} of wrk's requests/s, ${ratio(({ cpuUs }) => cpuUs)} of its CPU a request`,
  ].join('\n');
}

const inside = ({ netns, cpu }: typeof CLIENT, argv: readonly string[]): [string, string[]] => [
  'ip',
  ['netns', 'exec', netns, 'taskset', '-c', cpu, ...argv],
];

async function runWrk(url: string): Promise<Measured> {
  const [program, args] = inside(CLIENT, ['bash', '-c', `time wrk -t1 -c64 -d${SECONDS}s ${url}`]);
  const child = spawn(program, args, { env: { ...process.env, TIMEFORMAT: 'cpu %U %S', LC_ALL: 'C' } });
  let output = '';
  for (const stream of [child.stdout, child.stderr]) stream.on('data', (text) => (output += String(text)));
  await once(child, 'close');
  const requests = Number(/(\d+) requests in/.exec(output)?.[1]);
  const [, user, system] = /cpu ([\d.]+) ([\d.]+)/.exec(output) ?? [];
  const rps = Number(/Requests\/sec:\s+([\d.]+)/.exec(output)?.[1]);
  return { rps, cpuUs: ((Number(user) + Number(system)) / requests) * 1e6 };
}

const PLAN: LoadPlan = {
  target: { address: SERVER.address, port: 8080, path: '/f', host: SERVER.address },
  expect: { status: 200, bodyBytes: 100 },
  mode: { kind: 'closed' },
  connections: 64,
  threads: 1,
  cpus: [Number(CLIENT.cpu)],
  warmupMs: 300,
  durationMs: SECONDS * 1000,
  timeoutMs: 1000,
  seed: 1,
};

async function runBarewire(): Promise<Measured> {
  const [program, args] = inside(CLIENT, [process.execPath, BUNDLE, 'generator']);
  const child = spawn(program, args, { stdio: ['pipe', 'pipe', 'inherit'] });
  child.stdin.write(`${JSON.stringify({ run: PLAN })}\n`);
  for await (const line of createInterface({ input: child.stdout })) {
    const reply = JSON.parse(line) as { result?: LoadResult; error?: { message: string } };
    if (reply.error !== undefined) throw new Error(reply.error.message);
    if (reply.result === undefined) continue;
    child.stdin.end();
    const { achievedRps, requests, cpuSeconds } = reply.result;
    return { rps: achievedRps, cpuUs: ((cpuSeconds.user + cpuSeconds.system) / requests) * 1e6 };
  }
  throw new Error('the generator ended without a result');
}

async function startServer(): Promise<AsyncDisposable & { readonly url: string }> {
  const dir = mkdtempSync(join(tmpdir(), 'bwgen-'));
  const ip = (...args: readonly string[]): void => void execFileSync('ip', args);
  ip('netns', 'add', CLIENT.netns);
  ip('netns', 'add', SERVER.netns);
  ip('-n', CLIENT.netns, 'link', 'add', 'wire0', 'type', 'veth', 'peer', 'wire0', 'netns', SERVER.netns);
  for (const side of [CLIENT, SERVER]) {
    ip('-n', side.netns, 'address', 'add', `${side.address}/24`, 'dev', 'wire0');
    ip('-n', side.netns, 'link', 'set', 'wire0', 'up');
  }
  writeFileSync(join(dir, 'f'), 'x'.repeat(100));
  writeFileSync(
    join(dir, 'nginx.conf'),
    `daemon off; master_process off; user root; pid ${dir}/pid; error_log ${dir}/error.log; events { worker_connections 4096; }
     http { access_log off; keepalive_requests 100000000; open_file_cache max=10;
            server { listen ${SERVER.address}:8080 backlog=4096; root ${dir}; } }`,
  );
  const [program, args] = inside(SERVER, ['nginx', '-p', dir, '-c', join(dir, 'nginx.conf')]);
  const nginx = spawn(program, args, { stdio: 'ignore' });
  await sleep(500);
  return {
    url: `http://${SERVER.address}:8080/f`,
    [Symbol.asyncDispose]: async () => {
      nginx.kill('SIGKILL');
      if (nginx.exitCode === null) await once(nginx, 'exit');
      for (const side of [CLIENT, SERVER]) ip('netns', 'delete', side.netns);
      rmSync(dir, { recursive: true });
    },
  };
}

function median(values: readonly number[]): number {
  return values.toSorted((a, b) => a - b)[values.length >> 1] ?? NaN;
}
