import { openExternalGenerator, type ExternalGeneratorProcess, type Generator } from '../load/index.js';
import { costs, WindowSampler, type Side } from '../metrics/index.js';
import {
  type ExternalResult,
  type LoadPlan,
  type LoadResult,
  type PlannedSlice,
  type SideMetrics,
  type SliceRecord,
} from '../schema/index.js';
import { addressSymbol, resolveLoad } from './plan-loads.js';
import { stationKey } from './plan-stations.js';
import type { LoadTemplate, StudyPlan } from './plan-types.js';
import { isOutcome } from './station-errors.js';
import type { OpenStation } from './station-set-up.js';
import type { Stations } from './stations.js';

/** The outcome of a slice: its record, and its histograms if it was measured. */
export interface SliceOutcome {
  readonly record: SliceRecord;
  readonly histograms: Pick<LoadResult, 'response' | 'service'> | null;
}

/** What executes the plan of a study: its stations and the generator. */
export interface SliceContext {
  readonly plan: StudyPlan;
  readonly stations: Stations;
  readonly signal: AbortSignal;
}

/**
 * Measures one slice over a station that is set up, by the generator of its restart. A failure is an outcome; only an interrupt
 * and a lost host are thrown.
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
    const station = context.stations.get(stationKey(planned));
    await context.stations.tune(planned);
    const load = loadOver(station, template, planned.rateRps);
    await using generator = await openLoad(context, station);
    if (context.plan.study.generator !== 'barewire') await generator.check(load.target, load.expect);
    const { load: loaded, metrics } = await loadAndSample(context, station, generator, load);
    const { response, service, ...rest } = loaded;
    const record: SliceRecord = {
      ...base,
      wallMs: wallMs(),
      measuredMs: Math.round(loaded.durationS * 1_000),
      setup: station.takeSetup(),
      status: 'measured',
      valid: loaded.selfCheck.valid,
      load: rest,
      metrics,
    };
    return { record, histograms: { response, service } };
  } catch (error) {
    if (context.signal.aborted || !isOutcome(error)) throw error;
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

/** The load over a station: its addresses and its rate are known. */
export function loadOver(
  { active: { network }, server, testbed }: OpenStation,
  template: LoadTemplate,
  rateRps: number,
): LoadPlan {
  const load = resolveLoad(template, rateRps);
  const { address, port } = server;
  const unplaced = load.target.address === addressSymbol(network.name);
  return {
    ...load,
    ...(unplaced ? { target: { ...load.target, address, port, host: address } } : {}),
    ...(testbed.emulated === true ? { emulated: true } : {}),
  };
}

async function openLoad(
  { plan: { study } }: SliceContext,
  { testbed, active, clientNetns, generator }: OpenStation,
): Promise<Generator | ExternalGeneratorProcess> {
  const own = generator.from(clientNetns);
  if (study.generator === 'barewire') return own;
  const { machine, cpus } = testbed.client;
  return await openExternalGenerator(
    machine,
    { run: testbed.run, netns: active.client.netns, cpus },
    study.generator,
    own,
  );
}

interface Measured {
  readonly load: LoadResult | ExternalResult;
  readonly metrics: { readonly client: SideMetrics; readonly server: SideMetrics };
}

export async function loadAndSample(
  context: SliceContext,
  { id, testbed, server, clientMachine, active }: OpenStation,
  generator: Generator | ExternalGeneratorProcess,
  plan: LoadPlan,
): Promise<Measured> {
  const client: Side = {
    machine: clientMachine,
    cpus: active.placement?.client?.cpus ?? testbed.client.cpus,
    pids: [generator.pid],
    // The generator's threads are in the container, and its main thread is not.
    ownNamespace: false,
    // The generator reports it by itself.
    throttling: null,
  };
  const serving: Side = {
    machine: server.machine,
    cpus: server.cpus ?? testbed.server.cpus,
    pids: server.pids,
    ownNamespace: active.server.netns !== null,
    throttling: server.throttling ?? null,
  };
  await using clientSampler = new WindowSampler(client);
  await using serverSampler = new WindowSampler(serving);
  const samplers = [clientSampler, serverSampler];
  let started = false;
  let warmupS = 0;
  const load = await generator.run(plan, {
    signal: context.signal,
    keep: { set: id, ofSets: context.plan.stations.length },
    // The first reading falls into the warm-up: it takes CPU time from what is measured. The last one follows the window.
    onWindow: (edge) => {
      if (edge === 'close') samplers.forEach((sampler) => sampler.close());
      else if (edge === 'start' || !started) samplers.forEach((sampler) => sampler.open());
      started = true;
      warmupS = edge === 'start' ? plan.warmupMs / 1_000 : warmupS;
    },
  });
  await server.assertRunning();
  const sampledS = load.durationS + warmupS;
  const received = { achievedRps: load.achievedRps, durationS: sampledS };
  // Busy-polled time is counted in the window, and is as frequent before it.
  const scale = sampledS / load.durationS;
  const polled = 'busyPolledSeconds' in load ? load.busyPolledSeconds : undefined;
  const { user, system } = polled ?? { user: 0, system: 0 };
  const busyPolled = { user: user * scale, system: system * scale };
  const clientCosts = costs(await clientSampler.samples(), client.cpus, received, busyPolled);
  // An external generator has exited before its CPU time could be read with the rest. Its exit reports it.
  const isExternal = context.plan.study.generator !== 'barewire';
  const metrics = {
    client: isExternal ? { ...clientCosts, processCpuSeconds: load.cpuSeconds } : clientCosts,
    server: costs(await serverSampler.samples(), serving.cpus, received),
  };
  return { load, metrics };
}
