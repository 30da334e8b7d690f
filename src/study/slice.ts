import {
  openExternalGenerator,
  EXTERNAL_GENERATORS,
  type Generator,
  type GeneratorProcess,
  type ExternalGeneratorProcess,
} from '../load/index.js';
import { childrenOf, costs, WindowSampler, type Side } from '../metrics/index.js';
import type { Container, Network } from '../network/index.js';
import {
  BarewireError,
  type LoadPlan,
  type LoadResult,
  type ExternalResult,
  type PlannedSlice,
  type ResolvedStudy,
  type SideMetrics,
  type SliceRecord,
  type WorkloadName,
} from '../schema/index.js';
import { SERVER_PORT, startServer, workload, type Server } from '../server/index.js';
import { checkPath, setUpNetwork, type Host, type ActiveNetwork, type Testbed } from '../testbed/index.js';

type LoadMode = LoadPlan['mode'];

/** What a slice leaves: its record, and its histograms where it was measured. */
export interface SliceOutcome {
  readonly record: SliceRecord;
  readonly histograms: Pick<LoadResult, 'response' | 'service'> | null;
}

/** What is needed for any load: where, over what, and for whom. */
export interface SliceContext {
  readonly testbed: Testbed;
  readonly network: Network;
  readonly study: ResolvedStudy;
  readonly generator: GeneratorProcess;
  readonly signal: AbortSignal;
}

/** One slice with a fresh server, from the generator of its restart. A failure is an outcome; only an interrupt and a lost host are thrown. */
export async function runSlice(bench: SliceContext, planned: PlannedSlice): Promise<SliceOutcome> {
  const startedAt = new Date().toISOString();
  const start = performance.now();
  const base = { schema: 2 as const, startedAt, ...planned };
  const wallMs = (): number => Math.round(performance.now() - start);
  try {
    const measured = await measure(bench, planned);
    const { load, metrics, setup } = measured;
    const { response, service, ...rest } = load;
    const record: SliceRecord = {
      ...base,
      wallMs: wallMs(),
      measuredMs: Math.round(load.durationS * 1_000),
      setup,
      status: 'measured',
      valid: load.selfCheck.valid,
      load: rest,
      metrics,
    };
    return { record, histograms: { response, service } };
  } catch (error) {
    if (bench.signal.aborted || !(error instanceof BarewireError) || error.code === 'agent-lost') throw error;
    const { code, message } = error;
    const record: SliceRecord = {
      ...base,
      wallMs: wallMs(),
      measuredMs: 0,
      setup: null,
      status: 'failed',
      finding: { code: 'slice-failed', error: code, message },
    };
    return { record, histograms: null };
  }
}

interface Measured {
  readonly load: LoadResult | ExternalResult;
  readonly metrics: { readonly client: SideMetrics; readonly server: SideMetrics };
  readonly setup: NonNullable<SliceRecord['setup']>;
}

async function measure(bench: SliceContext, planned: PlannedSlice): Promise<Measured> {
  await bench.generator.ready(planned.restart);
  const raised = await setUpNetwork(bench.testbed, bench.network);
  let taken: Omit<Measured, 'setup'>;
  try {
    const name = planned.workload as WorkloadName;
    taken = await withPair(bench, raised, name, (pair) =>
      loadAndSample(bench, pair, name, modeOf(bench, planned), seedOf(bench, planned)),
    );
  } catch (error) {
    await raised.tearDown();
    throw error;
  }
  const tearDownMs = await raised.tearDown();
  return { ...taken, setup: { steps: raised.steps, setUpMs: raised.setUpMs, tearDownMs } };
}

const modeOf = ({ study: { generator, arrival } }: SliceContext, { rateRps }: PlannedSlice): LoadMode =>
  generator !== 'barewire' && EXTERNAL_GENERATORS[generator].loop === 'closed'
    ? { kind: 'closed' }
    : { kind: 'open', rateRps, arrival };

/** Every slice has phases of its own, and the same ones when it is measured again from the same seed. */
const seedOf = ({ study }: SliceContext, { restart, order }: PlannedSlice): number =>
  (study.seed + restart * 1_009 + order * 9_176) % 2 ** 31;

interface Pair {
  readonly raised: ActiveNetwork;
  readonly generator: Generator | ExternalGeneratorProcess;
  readonly server: Server;
}

/** A server and a generator in their containers, the path between them proven. Both end with `use`. */
async function withPair<T>(
  bench: SliceContext,
  raised: ActiveNetwork,
  name: WorkloadName,
  use: (pair: Pair) => Promise<T>,
): Promise<T> {
  const { testbed } = bench;
  const { server } = testbed;
  const [serving, generating] = await Promise.allSettled([
    startServer(server.machine, serverPlace(testbed.run, server, raised.server)),
    openLoad(bench, raised),
  ]);
  await using nginx = serving.status === 'fulfilled' ? serving.value : null;
  await using generator = generating.status === 'fulfilled' ? generating.value : null;
  if (serving.status === 'rejected') throw serving.reason;
  if (generating.status === 'rejected') throw generating.reason;
  if (nginx === null || generator === null) throw new RangeError('settled and fulfilled, yet missing');
  const { target, expect } = question(raised.server, name);
  const ask = async (): Promise<void> => {
    await generator.check(target, expect);
  };
  await checkPath(testbed, raised, () => nginx.ready(ask));
  return await use({ raised, generator, server: nginx });
}

async function openLoad(
  { testbed, study, generator }: SliceContext,
  raised: ActiveNetwork,
): Promise<Generator | ExternalGeneratorProcess> {
  const { machine, cpus } = testbed.client;
  const { netns } = raised.client;
  const own = generator.from(netns);
  if (study.generator === 'barewire') return own;
  return await openExternalGenerator(machine, { run: testbed.run, netns, cpus }, study.generator, own);
}

const serverPlace = (run: string, host: Host, container: Container) => ({
  dir: `/run/barewire/${run}-nginx`,
  netns: container.netns,
  address: container.address,
  port: SERVER_PORT,
  cpus: host.cpus,
});

function question({ address }: Container, name: WorkloadName): Pick<LoadPlan, 'target' | 'expect'> {
  const { path, bodyBytes } = workload(name);
  return {
    target: { address, port: SERVER_PORT, path, host: address },
    expect: { status: 200, bodyBytes },
  };
}

function planLoad(
  bench: SliceContext,
  pair: Pair,
  name: WorkloadName,
  mode: LoadMode,
  seed: number,
): LoadPlan {
  const { study, testbed } = bench;
  const { cpus } = testbed.client;
  return {
    ...question(pair.raised.server, name),
    mode,
    connections: study.connections,
    threads: Math.max(1, cpus.length),
    cpus,
    warmupMs: study.warmupMs,
    durationMs: study.durationMs,
    timeoutMs: study.timeoutMs,
    seed,
    ...(testbed.emulated === true ? { emulated: true } : {}),
  };
}

async function loadAndSample(
  bench: SliceContext,
  pair: Pair,
  name: WorkloadName,
  mode: LoadMode,
  seed: number,
): Promise<Omit<Measured, 'setup'>> {
  const { client, server } = await sidesOf(bench, pair);
  await using clientSampler = new WindowSampler(client);
  await using serverSampler = new WindowSampler(server);
  const samplers = [clientSampler, serverSampler];
  const load = await pair.generator.run(planLoad(bench, pair, name, mode, seed), {
    signal: bench.signal,
    onWindow: (edge) => samplers.forEach((sampler) => (edge === 'open' ? sampler.open() : sampler.close())),
  });
  pair.server.assertRunning();
  const metrics = {
    client: ofLoader(bench, load, costs(await clientSampler.samples(), client.cpus, load, spunBy(load))),
    server: costs(await serverSampler.samples(), server.cpus, load),
  };
  return { load, metrics };
}

const spunBy = (load: LoadResult | ExternalResult): LoadResult['busyPolledSeconds'] =>
  'busyPolledSeconds' in load ? load.busyPolledSeconds : undefined;

/** A tool has ended before its CPU time could be read with the rest: it is known from its end. */
const ofLoader = (
  { study }: SliceContext,
  { cpuSeconds }: Pick<LoadResult, 'cpuSeconds'>,
  side: SideMetrics,
): SideMetrics => (study.generator === 'barewire' ? side : { ...side, processCpuSeconds: cpuSeconds });

async function sidesOf(
  { testbed }: SliceContext,
  { raised, generator, server }: Pair,
): Promise<Record<'client' | 'server', Side>> {
  const workers = await childrenOf(testbed.server.machine, server.pid);
  const side = (host: Host, container: Container, pids: Side['pids']): Side => ({
    machine: host.machine,
    cpus: host.cpus,
    pids,
    ownNamespace: container.netns !== null,
  });
  return {
    client: side(testbed.client, raised.client, [generator.pid]),
    server: side(testbed.server, raised.server, [server.pid, ...workers]),
  };
}

/**
 * The reference's closed-loop maximum, requests per second: the median of three short probes in one set-up. Our own
 * generator finds it whoever loads the slices, so that the same share is the same rate for all of them.
 */
export async function findMaximum(asked: SliceContext, name: WorkloadName): Promise<number> {
  const bench: SliceContext = { ...asked, study: { ...asked.study, generator: 'barewire' } };
  await bench.generator.ready(1);
  const raised = await setUpNetwork(bench.testbed, bench.network);
  try {
    const probes = await withPair(bench, raised, name, async (pair) => {
      const results: number[] = [];
      for (let probe = 0; probe < PROBES; probe++) {
        const plan = planLoad(bench, pair, name, { kind: 'closed' }, probe);
        const result = await pair.generator.run(
          { ...plan, warmupMs: 200, durationMs: PROBE_MS },
          { signal: bench.signal },
        );
        results.push(result.achievedRps);
      }
      return results;
    });
    return Math.round(probes.sort((a, b) => a - b)[PROBES >> 1] ?? 0);
  } finally {
    await raised.tearDown();
  }
}

const PROBES = 3;
const PROBE_MS = 800;
