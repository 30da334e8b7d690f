import { readFile } from 'node:fs/promises';
import { setTimeout as sleep } from 'node:timers/promises';
import { GeneratorProcess, type Generator } from '../src/load/index.js';
import type { Machine, RunningProcess } from '../src/machine/index.js';
import { findNetwork } from '../src/network/index.js';
import { SERVER_PORT, type LoadPlan, type LoadResult, type Step } from '../src/schema/index.js';
import { serverSteps, startServer, workload } from '../src/server/index.js';
import { Histogram } from '../src/stats/index.js';
import { openTestbed, setUpNetwork, type Host } from '../src/testbed/index.js';

export const title =
  'Fidelity: what the generator says a request took, against the packets on its wire (tcpdump, kernel time stamps)';

const SHARES = [0.1, 0.3, 0.5, 0.8];
const ROUNDS = 5;
/** Each run starts threads of its own, whose code is compiled while they work. */
const WARMUP_MS = 500;
const WINDOW_MS = 1000;
const AIM_US = 15;

/** Everything that a measurement needs. */
interface Lab {
  readonly generator: Generator;
  readonly client: Host;
  /** Where tcpdump runs: beside the server, so that the generator keeps its CPU. */
  readonly dumpCpus: readonly number[];
  readonly plan: LoadPlan;
  readonly dir: string;
}

/** Rates one after the other in every round, so that noise falls on all of them alike. */
export async function bench(): Promise<string> {
  await using testbed = await openTestbed({ kind: 'netns' }, { wire: { mtu: 1500, rateMbps: null } });
  await using active = await setUpNetwork(testbed, findNetwork('host'));
  const { run, client, server } = testbed;
  const { address, netns } = active.server;
  const place = { dir: `/run/barewire/${run}-nginx`, netns, address, port: SERVER_PORT, cpus: server.cpus };
  await using nginx = await startServer(server.machine, serverSteps(place));
  await using running = new GeneratorProcess(client.machine, client.cpus);
  await running.ready(1);
  const generator = running.from(active.client.netns);
  const plan = planFor(address, client.cpus);
  await nginx.ready(async () => {
    await generator.check(plan.target, plan.expect);
  });
  const dir = `/run/barewire/${run}-dump`;
  await client.machine.apply([directory(dir)]);
  const lab = { generator, client, dumpCpus: server.cpus, plan, dir };
  const maximum = await measure(lab, { kind: 'closed' });
  const all: Measured[] = [];
  for (let round = 0; round < ROUNDS; round++)
    for (const share of SHARES) {
      const rateRps = Math.round(share * maximum.result.achievedRps);
      all.push(await measure(lab, { kind: 'open', rateRps, arrival: 'constant' }));
    }
  return report(maximum.result.achievedRps, all);
}

const planFor = (address: string, cpus: readonly number[]): LoadPlan => ({
  target: { address, port: SERVER_PORT, path: workload('350B').path, host: address },
  expect: { status: 200, bodyBytes: workload('350B').bodyBytes },
  mode: { kind: 'closed' },
  connections: 64,
  threads: Math.max(1, cpus.length),
  cpus: [...cpus],
  warmupMs: WARMUP_MS,
  durationMs: WINDOW_MS,
  timeoutMs: 1000,
  seed: 1,
});

const directory = (path: string): Step => ({
  why: 'A place for the packets',
  do: { kind: 'directory', path },
  undo: { kind: 'directory', path },
});

interface Measured {
  readonly result: LoadResult;
  readonly output: Histogram;
  readonly seen: Histogram;
  /** Requests whose answer tcpdump did not see. */
  readonly lost: number;
}

let captures = 0;

async function measure(
  { generator, client, dumpCpus, plan, dir }: Lab,
  mode: LoadPlan['mode'],
): Promise<Measured> {
  const file = `${dir}/${++captures}.pcap`;
  const dump = await client.machine.start(tcpdump(client.net.dev, file, dumpCpus));
  const result = await whileDumping(client.machine, dump, () => generator.run({ ...plan, mode }));
  const output = Histogram.decode(result.service);
  const wire = requestsOnWire(await readFile(file));
  const responses = wire.filter((request) => request.answeredNs !== null);
  return {
    result,
    output: output,
    seen: lastOf(responses, output.count),
    lost: wire.length - responses.length,
  };
}

/** Those of the window are the last to leave, so that both sides tell of the same requests, but for a few at its edge. */
function lastOf(responses: readonly OnWire[], count: number): Histogram {
  const seen = new Histogram();
  for (const { sentNs, answeredNs } of responses.slice(-count)) seen.record((answeredNs ?? 0) - sentNs);
  return seen;
}

/** Only packets that carry something: ‑Z keeps tcpdump from giving up the right to write there. */
const tcpdump = (dev: string, file: string, cpus: readonly number[]): Step => ({
  why: 'The packets of the client',
  do: {
    kind: 'process',
    name: 'tcpdump',
    netns: null,
    argv: [
      ...['tcpdump', '-i', dev, '-n', '-s', '80', '-B', '65536', '-Z', 'root', '-w', file],
      ...['--time-stamp-precision=nano', '-j', 'host'],
      `tcp port ${SERVER_PORT} and ip[2:2] - ((ip[0] & 0xf) << 2) - ((tcp[12] & 0xf0) >> 2) != 0`,
    ],
    cpus: [...cpus],
  },
  undo: { kind: 'process', name: 'tcpdump' },
});

/** The kernel hands packets over in restarts, a part-filled one after a second; ended before that, tcpdump loses it. */
const BLOCK_MS = 1200;

async function whileDumping<T>(machine: Machine, dump: RunningProcess, use: () => Promise<T>): Promise<T> {
  try {
    const sockets = '/proc/thread-self/net/packet';
    for (let waited = 0; waited < 5000; waited += 20) {
      const { files } = await machine.readFiles([sockets]);
      if ((files[sockets] ?? '').trim().split('\n').length > 1) break;
      await sleep(20);
    }
    await sleep(100);
    const result = await use();
    await sleep(BLOCK_MS);
    return result;
  } finally {
    await dump[Symbol.asyncDispose]();
  }
}

const NANOSECOND_PCAP = 0xa1b23c4d;
const FILE_HEADER = 24;
const PACKET_HEADER = 16;
const ETHERNET = 14;

/** One connection's request on the wire, in nanoseconds since the first packet. */
interface OnWire {
  readonly sentNs: number;
  answeredNs: number | null;
}

/**
 * All requests in the order of their sends, from the first byte out to the last byte of the answer in. A connection has
 * one request at a time, so that all its answer's packets lie between two requests.
 */
function requestsOnWire(pcap: Buffer): readonly OnWire[] {
  if (pcap.readUInt32LE(0) !== NANOSECOND_PCAP) throw new Error('tcpdump wrote no nanoseconds');
  const all: OnWire[] = [];
  const last = new Map<number, OnWire>();
  for (const { atNs, from, to } of packets(pcap)) {
    const request = last.get(to === SERVER_PORT ? from : to);
    if (from === SERVER_PORT && request !== undefined) request.answeredNs = atNs;
    // One that was sent before its last was answered is that one sent again.
    if (to !== SERVER_PORT || request?.answeredNs === null) continue;
    const next = { sentNs: atNs, answeredNs: null };
    last.set(from, next);
    all.push(next);
  }
  return all;
}

interface Packet {
  readonly atNs: number;
  readonly from: number;
  readonly to: number;
}

function* packets(pcap: Buffer): Iterable<Packet> {
  const firstS = pcap.length > FILE_HEADER ? pcap.readUInt32LE(FILE_HEADER) : 0;
  let startNs = -1;
  for (let at = FILE_HEADER; at + PACKET_HEADER <= pcap.length;) {
    const ns = (pcap.readUInt32LE(at) - firstS) * 1e9 + pcap.readUInt32LE(at + 4);
    const ip = at + PACKET_HEADER + ETHERNET;
    const tcp = ip + (pcap.readUInt8(ip) & 0xf) * 4;
    if (startNs < 0) startNs = ns;
    yield { atNs: ns - startNs, from: pcap.readUInt16BE(tcp), to: pcap.readUInt16BE(tcp + 2) };
    at += PACKET_HEADER + pcap.readUInt32LE(at + 8);
  }
}

const QUANTILES = [0.5, 0.99] as const;

/** Each rate twice: over all rounds, and over those that are valid by the self-check, as a study would count them. */
function report(maximumRps: number, all: readonly Measured[]): string {
  const head = ['of max', 'rounds', 'requests/s', 'said', 'seen', 'lost', 'ms taken'];
  const columns = QUANTILES.flatMap((q) => ['wire', 'said', 'bias'].map((word) => `${word} p${q * 100}`));
  const rows = SHARES.flatMap((share, at) => {
    const rounds = all.filter((_, index) => index % SHARES.length === at);
    const valid = rounds.filter(({ result }) => result.selfCheck.valid);
    return [row(`${share * 100} %`, 'all', rounds), row('', `${valid.length} valid`, valid)];
  });
  return [
    `maximum while captured: ${Math.round(maximumRps)} requests/s; microseconds, median of ${ROUNDS} rounds of ${WINDOW_MS / 1000} s`,
    ...[[...head, ...columns, 'bias mean'], ...rows].map((cells) =>
      cells.map((cell) => cell.padStart(11)).join(''),
    ),
    `The aim is a bias p50 of at most ${AIM_US} µs.`,
  ].join('\n');
}

function row(share: string, which: string, rounds: readonly Measured[]): string[] {
  if (rounds.length === 0) return [share, which];
  const over = (of: (measured: Measured) => number): number => median(rounds.map(of));
  const counts = [
    over(({ result }) => result.achievedRps),
    over(({ output: output }) => output.count),
    over(({ seen }) => seen.count),
    Math.max(...rounds.map(({ lost }) => lost)),
    // By other programs, from the generator's CPU.
    over(({ result }) => result.selfCheck.runDelayMs ?? NaN),
  ];
  const times = QUANTILES.flatMap((q) => [
    over(({ seen }) => seen.quantile(q) / 1000),
    over(({ output: output }) => output.quantile(q) / 1000),
    over(({ seen, output: output }) => (output.quantile(q) - seen.quantile(q)) / 1000),
  ]);
  times.push(over(({ seen, output: output }) => meanUs(output) - meanUs(seen)));
  return [share, which, ...counts.map((count) => count.toFixed(0)), ...times.map((us) => us.toFixed(1))];
}

/** Of the same requests, so that the difference of two means is the mean of the differences, request by request. */
function meanUs(histogram: Histogram): number {
  let sumNs = 0;
  for (const { lowNs, highNs, count } of histogram.cells()) sumNs += ((lowNs + highNs) / 2) * count;
  return sumNs / histogram.count / 1000;
}

function median(values: readonly number[]): number {
  return values.toSorted((a, b) => a - b)[values.length >> 1] ?? NaN;
}
