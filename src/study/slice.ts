import {
  openExternalGenerator,
  type Generator,
  type GeneratorProcess,
  type ExternalGeneratorProcess,
} from '../load/index.js';
import { childrenOf, costs, WindowSampler, type Side } from '../metrics/index.js';
import type { Container } from '../network/index.js';
import {
  BarewireError,
  bug,
  type LoadPlan,
  type LoadResult,
  type ExternalResult,
  type PlannedSlice,
  type SideMetrics,
  type SliceRecord,
} from '../schema/index.js';
import { planServer, startServer, type Server, type ServerPlan } from '../server/index.js';
import {
  checkPath,
  findOfferedNetwork,
  setUpNetwork,
  type Host,
  type ActiveNetwork,
  type Testbed,
} from '../testbed/index.js';
import { addressSymbol, resolveLoad, type LoadTemplate, type MaximumPlan, type StudyPlan } from './plan.js';

/** The outcome of a slice: its record, and its histograms if it was measured. */
export interface SliceOutcome {
  readonly record: SliceRecord;
  readonly histograms: Pick<LoadResult, 'response' | 'service'> | null;
}

/** What executes the plan of a study: the hosts, the generator, and the plan with its symbols bound. */
export interface SliceContext {
  readonly plan: StudyPlan;
  readonly testbed: Testbed;
  readonly generator: GeneratorProcess;
  readonly signal: AbortSignal;
}

/**
 * Measures one slice with a new server, by the generator of its restart. A failure is an outcome; only an
 * interrupt and a lost host are thrown.
 */
export async function runSlice(
  context: SliceContext,
  planned: PlannedSlice,
  template: LoadTemplate,
): Promise<SliceOutcome> {
  const startedAt = new Date().toISOString();
  const start = performance.now();
  const base = { schema: 2 as const, startedAt, ...planned };
  const wallMs = (): number => Math.round(performance.now() - start);
  try {
    await context.generator.ready(planned.restart);
    const { result, setup } = await withNetwork(context, planned.network, async (active) => {
      const load = loadOver(context, active, template, planned.rateRps);
      return await withEnds(context, active, load, (ends) => loadAndSample(context, ends, load));
    });
    const { load, metrics } = result;
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
    if (context.signal.aborted || !(error instanceof BarewireError) || error.code === 'agent-lost')
      throw error;
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

/** Measures the reference's maximum, requests per second. */
export async function findMaximum(asked: SliceContext, { network, loads }: MaximumPlan): Promise<number> {
  const study = { ...asked.plan.study, generator: 'barewire' as const };
  const context = { ...asked, plan: { ...asked.plan, study } };
  await context.generator.ready(1);
  const { result: maxima } = await withNetwork(context, network, async (active) => {
    const plans = loads.map((template) => loadOver(context, active, template, 0));
    const [first] = plans;
    if (first === undefined) throw bug('a maximum is measured without a load');
    return await withEnds(context, active, first, async ({ generator }) => {
      const rates: number[] = [];
      for (const plan of plans)
        rates.push((await generator.run(plan, { signal: context.signal })).achievedRps);
      return rates;
    });
  });
  return Math.round(maxima.sort((a, b) => a - b)[maxima.length >> 1] ?? 0);
}

/** Sets a network up by its plan, uses it, and tears it down. */
async function withNetwork<T>(
  { plan, testbed }: SliceContext,
  name: string,
  use: (active: ActiveNetwork) => Promise<T>,
): Promise<{ readonly result: T; readonly setup: NonNullable<SliceRecord['setup']> }> {
  const planned = plan.networks.find((network) => network.name === name);
  if (planned?.kind === 'impossible') throw planned.error;
  const network = findOfferedNetwork(plan.study.testbed, name);
  const active = await setUpNetwork(
    testbed,
    network,
    planned?.kind === 'planned' ? planned.hosts : undefined,
  );
  let result: T;
  try {
    result = await use(active);
  } catch (error) {
    await active.tearDown();
    throw error;
  }
  const { steps, setUpMs } = active;
  return { result, setup: { steps, setUpMs, tearDownMs: await active.tearDown() } };
}

/** The load over a network that is set up: its addresses and its rate are known. */
function loadOver(
  { testbed }: SliceContext,
  { network, server: { address } }: ActiveNetwork,
  template: LoadTemplate,
  rateRps: number,
): LoadPlan {
  const load = resolveLoad(template, rateRps);
  const { target } = load;
  const unplaced = target.address === addressSymbol(network.name);
  return {
    ...load,
    ...(unplaced ? { target: { ...target, address, host: address } } : {}),
    ...(testbed.emulated === true ? { emulated: true } : {}),
  };
}

/** A server and a generator in their containers. */
interface Ends {
  readonly active: ActiveNetwork;
  readonly generator: Generator | ExternalGeneratorProcess;
  readonly server: Server;
}

/**
 * Starts a server and a generator in their containers and checks the path between them. Stops both after
 * `use`.
 */
async function withEnds<T>(
  context: SliceContext,
  active: ActiveNetwork,
  { target, expect }: LoadPlan,
  use: (ends: Ends) => Promise<T>,
): Promise<T> {
  const { testbed } = context;
  const [serving, generating] = await Promise.allSettled([
    startServer(testbed.server.machine, serverPlan(context, active)),
    openLoad(context, active),
  ]);
  await using nginx = serving.status === 'fulfilled' ? serving.value : null;
  await using generator = generating.status === 'fulfilled' ? generating.value : null;
  if (serving.status === 'rejected') throw serving.reason;
  if (generating.status === 'rejected') throw generating.reason;
  if (nginx === null || generator === null) throw bug('settled and fulfilled, yet missing');
  const request = async (): Promise<void> => {
    await generator.check(target, expect);
  };
  await checkPath(testbed, active, () => nginx.ready(request));
  return await use({ active, generator, server: nginx });
}

function serverPlan({ plan, testbed }: SliceContext, { network, server }: ActiveNetwork): ServerPlan {
  const planned = plan.networks.find(({ name }) => name === network.name);
  if (planned?.kind === 'planned') return planned.server;
  return planServer(testbed.run, testbed.server.cpus, server);
}

async function openLoad(
  { plan: { study }, testbed, generator }: SliceContext,
  { client: { netns } }: ActiveNetwork,
): Promise<Generator | ExternalGeneratorProcess> {
  const { machine, cpus } = testbed.client;
  const own = generator.from(netns);
  if (study.generator === 'barewire') return own;
  return await openExternalGenerator(machine, { run: testbed.run, netns, cpus }, study.generator, own);
}

interface Measured {
  readonly load: LoadResult | ExternalResult;
  readonly metrics: { readonly client: SideMetrics; readonly server: SideMetrics };
}

async function loadAndSample(context: SliceContext, ends: Ends, plan: LoadPlan): Promise<Measured> {
  const workers = await childrenOf(context.testbed.server.machine, ends.server.pid);
  const side = (host: Host, container: Container, pids: Side['pids']): Side => ({
    machine: host.machine,
    cpus: host.cpus,
    pids,
    ownNamespace: container.netns !== null,
  });
  const { client, server } = {
    client: side(context.testbed.client, ends.active.client, [ends.generator.pid]),
    server: side(context.testbed.server, ends.active.server, [ends.server.pid, ...workers]),
  };
  await using clientSampler = new WindowSampler(client);
  await using serverSampler = new WindowSampler(server);
  const samplers = [clientSampler, serverSampler];
  const load = await ends.generator.run(plan, {
    signal: context.signal,
    onWindow: (edge) => samplers.forEach((sampler) => (edge === 'open' ? sampler.open() : sampler.close())),
  });
  ends.server.assertRunning();
  const busyPolled = 'busyPolledSeconds' in load ? load.busyPolledSeconds : undefined;
  const clientCosts = costs(await clientSampler.samples(), client.cpus, load, busyPolled);
  // An external generator has exited before its CPU time could be read with the rest. Its exit reports it.
  const isExternal = context.plan.study.generator !== 'barewire';
  const metrics = {
    client: isExternal ? { ...clientCosts, processCpuSeconds: load.cpuSeconds } : clientCosts,
    server: costs(await serverSampler.samples(), server.cpus, load),
  };
  return { load, metrics };
}
