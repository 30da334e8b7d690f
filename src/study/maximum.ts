import { setTimeout as pause } from 'node:timers/promises';
import { busyShare, costs, WindowSampler, type Side } from '../metrics/index.js';
import { bug } from '../schema/index.js';
import { both, type Pair } from '../testbed/index.js';
import {
  FIRST_RATE_RPS,
  MOST_READINGS,
  raiseRate,
  predictMaximum,
  type RateReading,
} from './estimate-maximum.js';
import { wireBytes } from './link-capacity.js';
import type { LoadTemplate, MaximumPlan } from './plan-types.js';
import { loadAndSample, loadOver, type SliceContext } from './slice.js';
import type { OpenStation } from './station-set-up.js';

/** Measures the reference's maximum over its station, or estimates it, requests per second. */
export async function findMaximum(context: SliceContext, plan: MaximumPlan): Promise<number> {
  const { stations, signal } = context;
  const { network, loads, kind } = plan;
  const station = stations.get(network);
  if (kind === 'estimated') return await estimateMaximum(context, station, plan);
  const own = station.generator.from(station.clientNetns);
  const maxima: number[] = [];
  for (const template of loads)
    maxima.push((await own.run(loadOver(station, template, 0), { signal })).achievedRps);
  return Math.round(maxima.sort((a, b) => a - b)[maxima.length >> 1] ?? 0);
}

/** Raises the rate while the busiest resource shows too little use, and predicts at which rate it would be used fully. */
async function estimateMaximum(
  context: SliceContext,
  station: OpenStation,
  { loads: [template], workload: name }: MaximumPlan,
): Promise<number> {
  if (template === undefined) throw bug('an estimated maximum without a load');
  const generator = station.generator.from(station.clientNetns);
  const { linkMbps = Infinity } = station.testbed.server;
  const idle = await sampleIdle(station);
  for (let rateRps = FIRST_RATE_RPS, number = 1; ; number++) {
    const plan = loadOver(station, { ...template, mode: openAt(rateRps) }, rateRps);
    const { load, metrics } = await loadAndSample(context, station, generator, plan);
    const { user, system } = metrics.server.processCpuSeconds;
    const sampledS = load.durationS + plan.warmupMs / 1_000;
    const reading: RateReading = {
      rateRps,
      busyShares: [
        busyShare(metrics.client.cpuSeconds) - idle.client,
        busyShare(metrics.server.cpuSeconds) - idle.server,
      ],
      threadShares: [
        'cpuShare' in load.selfCheck ? load.selfCheck.cpuShare : 0,
        (user + system) / sampledS / Math.max(1, station.server.pids.length - 1),
      ],
      linkShare: (rateRps * wireBytes(name) * 8) / 1e6 / linkMbps,
    };
    const next = number < MOST_READINGS ? raiseRate(reading) : null;
    if (next === null) return predictMaximum(reading);
    rateRps = next;
  }
}

const IDLE_MS = 400;

/** The busy share of each side's CPUs without a load. */
async function sampleIdle({ testbed, server, clientMachine }: OpenStation): Promise<Pair<number>> {
  const { client } = testbed;
  const sides = {
    client: { machine: clientMachine, cpus: client.cpus },
    server: { machine: server.machine, cpus: testbed.server.cpus },
  };
  return await both(async (role) => {
    const side: Side = { ...sides[role], pids: server.pids, ownNamespace: false, throttling: null };
    await using sampler = new WindowSampler(side);
    sampler.open();
    await pause(IDLE_MS);
    sampler.close();
    const idle = costs(await sampler.samples(), side.cpus, { achievedRps: 0, durationS: IDLE_MS / 1_000 });
    return busyShare(idle.cpuSeconds);
  });
}

const openAt = (rps: number): LoadTemplate['mode'] => ({
  kind: 'open',
  rate: { kind: 'absolute', rps },
  arrival: 'constant',
});
