import { EXTERNAL_GENERATORS, planExternal, RATE_SYMBOL } from '../load/index.js';
import { RUN_SYMBOL } from '../network/index.js';
import {
  bug,
  SERVER_PORT,
  type LoadPlan,
  type PlannedSlice,
  type ResolvedStudy,
  type Step,
  type WorkloadName,
} from '../schema/index.js';
import { workload } from '../server/index.js';
import { searchSliceMs } from '../stats/index.js';
import { findTestbedKind, type TestbedPlan } from '../testbed/index.js';
import type { DrawnSlice } from './plan-slices.js';
import type { StudyPlan, StationPlan, LoadTemplate, MaximumPlan } from './plan-types.js';
import { endpointOf } from './plan-stations.js';

const PROBES = 3;
const PROBE_MS = 500;
const PROBE_WARMUP_MS = 100;

export function externalSteps(
  { rate }: DrawnSlice,
  { mode, ...load }: LoadTemplate,
  station: StationPlan | undefined,
  { hosts }: TestbedPlan,
  { generator }: ResolvedStudy,
): readonly Step[] {
  if (generator === 'barewire' || station?.kind !== 'planned') return [];
  const { netns } = station.hosts.client.container;
  const rateRps = mode.kind === 'closed' ? 0 : rate.kind === 'absolute' ? rate.rps : RATE_SYMBOL;
  return planExternal(generator, { run: RUN_SYMBOL, netns, cpus: hosts.client.cpus }, load, rateRps);
}

/** A symbol for a network whose containers are not placed yet. */
export const addressSymbol = (network: string): string => `<address(${network})>`;

type Planned = Pick<StudyPlan, 'study' | 'testbed'>;

/** The load of any slice: planned, retried or searched. */
export function planLoad(
  { study, testbed }: Planned,
  {
    workload: name,
    restart,
    round,
    order,
    rate,
  }: Pick<DrawnSlice, 'workload' | 'restart' | 'round' | 'order' | 'rate'>,
  station: StationPlan | undefined,
): LoadTemplate {
  const { generator, arrival } = study;
  const { cpus, threads } = testbed.hosts.client;
  const closed = generator !== 'barewire' && EXTERNAL_GENERATORS[generator].loop === 'closed';
  return {
    ...planRequest(station, name, study.reference),
    mode: closed ? { kind: 'closed' } : { kind: 'open', rate, arrival },
    connections: study.connections,
    threads: Math.max(1, threads ?? cpus.length),
    cpus: threads === undefined ? cpus : [],
    warmupMs: study.warmupMs,
    durationMs: study.durationMs,
    timeoutMs: study.timeoutMs,
    // Every slice has its own phases, and the same ones when it is retried with the same seed.
    seed: (study.seed + restart * 1_009 + round * 40_503 + order * 9_176) % 2 ** 31,
  };
}

/** The load of a slice that the search for the maxima chose. */
export function planSearchLoad(plan: StudyPlan, slice: PlannedSlice): LoadTemplate {
  const workload = plan.study.workloads.find((name) => name === slice.workload);
  const station = plan.stations.find(({ network, role }) => network === slice.network && role !== 'control');
  if (workload === undefined || station === undefined) throw bug(`${slice.id} is of no cell of the plan`);
  const rate = { kind: 'absolute', rps: slice.rateRps } as const;
  const load = planLoad(plan, { ...slice, workload, rate }, station);
  return { ...load, durationMs: searchSliceMs(plan.study) };
}

/** What a generator requests, and the response that it expects. */
function planRequest(
  station: StationPlan | undefined,
  name: WorkloadName,
  reference: string,
): Pick<LoadPlan, 'target' | 'expect'> {
  const { path, bodyBytes } = workload(name);
  const { address, port } =
    station?.kind === 'planned'
      ? endpointOf(station, station.hosts.server.container)
      : {
          address: addressSymbol(station?.network ?? reference),
          port: station?.port ?? SERVER_PORT,
        };
  return { target: { address, port, path, host: address }, expect: { status: 200, bodyBytes } };
}

/** The load as a generator receives it. `rateRps` is ignored in a closed loop. */
export function resolveLoad(load: LoadTemplate, rateRps: number): LoadPlan {
  const { mode } = load;
  return { ...load, mode: mode.kind === 'closed' ? mode : { kind: 'open', rateRps, arrival: mode.arrival } };
}

/** Whether others use the hosts, so that the study stays below half of what they have. */
const sparesHosts = ({ testbed, maximum }: Pick<ResolvedStudy, 'testbed' | 'maximum'>): boolean =>
  findTestbedKind(testbed).spares && !maximum;

/**
 * The reference's closed-loop maximum is the median of three short probes in one set-up. Barewire's own generator finds it
 * whichever tool loads the slices, so that the same share is the same rate for all of them. On hosts that others use it is
 * estimated.
 */
export function planMaximum(
  planned: Planned,
  name: WorkloadName,
  reference: StationPlan | undefined,
): MaximumPlan {
  const slice = {
    workload: name,
    restart: 1,
    round: 1,
    order: 1,
    rate: { kind: 'share', ofMax: 1 },
  } as const;
  const maximum = { workload: name, network: planned.study.reference };
  const load = { ...planLoad(planned, slice, reference), warmupMs: PROBE_WARMUP_MS, durationMs: PROBE_MS };
  if (sparesHosts(planned.study)) return { ...maximum, kind: 'estimated', loads: [load] };
  return {
    ...maximum,
    kind: 'closed-loop',
    loads: Array.from({ length: PROBES }, (_, seed) => ({ ...load, mode: { kind: 'closed' }, seed })),
  };
}
