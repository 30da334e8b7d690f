import { execFileSync, spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import type { LoadPlan } from '../src/schema/index.js';
import { startGenerator } from '../test/load/generator-process.js';

export const title =
  'Generator: closed loop against wrk and h2load, then at half the rate against h2load; one thread on one CPU, 64 connections, 350-byte answers over a veth pair';

const ROUNDS = 7;
const SECONDS = 2;
const WHOLE_ROUNDS = 5;
const WHOLE_SECONDS = 10;
const CLIENT = { netns: 'bwgen-client', address: '10.213.7.1', cpu: '1' };
const SERVER = { netns: 'bwgen-server', address: '10.213.7.2', cpu: '0' };

interface Measured {
  readonly rps: number;
  /** For each answer; Barewire's without what it busyPolls away while it has nothing to do, where the others sleep. */
  readonly cpuUs: number;
}

type Tool = 'wrk' | 'h2load' | 'barewire';
const TOOLS: readonly Tool[] = ['barewire', 'wrk', 'h2load'];
const CONNECTIONS = 64;

export async function bench(): Promise<string> {
  await using server = await startServer();
  const closed = await interleaved(['barewire', 'wrk', 'h2load'], {
    barewire: () => runBarewire({ kind: 'closed' }),
    wrk: () => runWrk(server.url),
    h2load: () => runH2load(server.url, []),
  });
  const rateRps = Math.round(median(closed, ({ wrk }) => wrk!.rps) / 2);
  // wrk has no rates.
  const open = await interleaved(['barewire', 'h2load'], {
    barewire: () => runBarewire({ kind: 'open', rateRps, arrival: 'constant' }),
    h2load: () => runH2load(server.url, [`--rps=${rateRps / CONNECTIONS}`]),
  });
  const whole = await interleaved(
    ['barewire', 'wrk'],
    { barewire: () => runWholeBarewire(server.url), wrk: () => runWrk(server.url, WHOLE_SECONDS) },
    WHOLE_ROUNDS,
  );
  return [
    table(closed),
    `At ${rateRps} requests/s, half of wrk's median:`,
    table(open),
    `Whole processes from exec to exit, ${WHOLE_SECONDS} s, with all CPU time:`,
    table(whole),
  ].join('\n\n');
}

type Round = Readonly<Partial<Record<Tool, Measured>>>;
type Runs = Partial<Record<Tool, () => Promise<Measured>>>;

async function interleaved(tools: readonly Tool[], run: Runs, count = ROUNDS): Promise<Round[]> {
  const rounds: Round[] = [];
  for (let round = 0; round < count; round++) {
    const measured: Partial<Record<Tool, Measured>> = {};
    // Who goes first changes, so that a drift of the machine favours none.
    for (let turn = 0; turn < tools.length; turn++) {
      const tool = tools[(turn + round) % tools.length]!;
      measured[tool] = await run[tool]!();
    }
    rounds.push(measured);
  }
  return rounds;
}

const median = (rounds: readonly Round[], of: (round: Round) => number): number =>
  rounds.map(of).toSorted((a, b) => a - b)[rounds.length >> 1] ?? NaN;

function table(rounds: readonly Round[]): string {
  const tools = TOOLS.filter((tool) => rounds[0]?.[tool] !== undefined);
  const row = (cells: readonly string[]): string => cells.map((cell) => cell.padStart(16)).join('');
  const ratio = (tool: Tool, of: keyof Measured): string =>
    median(rounds, (round) => round.barewire![of] / round[tool]![of]).toFixed(3);
  return [
    row(['round', ...tools.flatMap((tool) => [`${tool} req/s`, 'CPU µs/req'])]),
    ...rounds.map((round, i) =>
      row([
        String(i + 1),
        ...tools.flatMap((tool) => [round[tool]!.rps.toFixed(0), round[tool]!.cpuUs.toFixed(2)]),
      ]),
    ),
    ...tools
      .filter((tool) => tool !== 'barewire')
      .map(
        (tool) =>
          `median ratio to ${tool}: ${ratio(tool, 'rps')} of its requests/s, ${ratio(tool, 'cpuUs')} of its CPU a request`,
      ),
  ].join('\n');
}

const inside = ({ netns, cpu }: typeof CLIENT, argv: readonly string[]): [string, string[]] => [
  'ip',
  ['netns', 'exec', netns, 'taskset', '-c', cpu, ...argv],
];

async function runWrk(url: string, seconds = SECONDS): Promise<Measured> {
  const { output, cpuS } = await timed(`wrk -t1 -c${CONNECTIONS} -d${seconds}s ${url}`);
  const requests = Number(/(\d+) requests in/.exec(output)?.[1]);
  return { rps: Number(/Requests\/sec:\s+([\d.]+)/.exec(output)?.[1]), cpuUs: (cpuS / requests) * 1e6 };
}

async function runH2load(url: string, options: readonly string[]): Promise<Measured> {
  const { output, cpuS } = await timed(
    `h2load --h1 -t1 -c${CONNECTIONS} -D ${SECONDS} ${options.join(' ')} ${url}`,
  );
  const requests = Number(/(\d+) succeeded/.exec(output)?.[1]);
  return { rps: requests / SECONDS, cpuUs: (cpuS / requests) * 1e6 };
}

/** The command line as a user runs it, with its start, its warm-up of machine code and its busy polling. */
async function runWholeBarewire(url: string): Promise<Measured> {
  const bundle = new URL('barewire.mjs', import.meta.url).pathname;
  const { output, cpuS } = await timed(
    `${process.execPath} ${bundle} load ${url} --closed --connections ${CONNECTIONS} --duration ${WHOLE_SECONDS}s --warmup 0s --cpus ${CLIENT.cpu} --json`,
  );
  const requests = Number(/"requests": ?(\d+)/.exec(output)?.[1]);
  if (!(requests > 0)) throw new Error(`barewire load measured nothing: ${output}`);
  return { rps: requests / WHOLE_SECONDS, cpuUs: (cpuS / requests) * 1e6 };
}

/** Runs a command line of this file's own on the client, and returns what it printed and used. */
async function timed(command: string): Promise<{ output: string; cpuS: number }> {
  const [program, args] = inside(CLIENT, ['bash', '-c', `time ${command}`]);
  const child = spawn(program, args, { env: { ...process.env, TIMEFORMAT: 'cpu %U %S', LC_ALL: 'C' } });
  let output = '';
  for (const stream of [child.stdout, child.stderr]) stream.on('data', (text) => (output += String(text)));
  await once(child, 'close');
  const [, user, system] = /cpu ([\d.]+) ([\d.]+)/.exec(output) ?? [];
  return { output, cpuS: Number(user) + Number(system) };
}

const PLAN: Omit<LoadPlan, 'mode'> = {
  target: { address: SERVER.address, port: 8080, path: '/f', host: SERVER.address },
  expect: { status: 200, bodyBytes: 100 },
  connections: CONNECTIONS,
  threads: 1,
  cpus: [Number(CLIENT.cpu)],
  // Until the machine code of its hot path is made, which the other tools bring along.
  warmupMs: 1000,
  durationMs: SECONDS * 1000,
  timeoutMs: 1000,
  seed: 1,
};

async function runBarewire(mode: LoadPlan['mode']): Promise<Measured> {
  const [program, args] = inside(CLIENT, []);
  await using generator = startGenerator([program, ...args]);
  const { achievedRps, requests, cpuSeconds, busyPolledSeconds } = await generator.run({ ...PLAN, mode });
  const busyPolledS = (busyPolledSeconds?.user ?? 0) + (busyPolledSeconds?.system ?? 0);
  const cpuS = cpuSeconds.user + cpuSeconds.system - busyPolledS;
  return { rps: achievedRps, cpuUs: (cpuS / requests) * 1e6 };
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
