import { EXTERNAL_GENERATORS, planExternal, planGenerator, RATE_SYMBOL } from '../load/index.js';
import { RUN_SYMBOL, type HostPlan, type Network } from '../network/index.js';
import {
  BarewireError,
  bug,
  type LoadPlan,
  type PlannedSlice,
  type Rate,
  type ResolvedStudy,
  type Step,
  type WorkloadName,
  REFERENCE,
} from '../schema/index.js';
import { planServer, SERVER_PORT, workload, type ServerPlan } from '../server/index.js';
import { MAX_SLICES, wantsMaximum } from '../stats/index.js';
import { planPair, type Pair, type TestbedPlan } from '../testbed/index.js';
import { drawSlices, type DrawnSlice } from './plan-slices.js';

/**
 * Everything that a study does, as data. `study --dry-run` prints it, and the runner executes it with its
 * symbols bound: the run's id, exchanged keys, and the reference's maximum, on which some rates depend.
 */
export interface StudyPlan {
  readonly study: ResolvedStudy;
  /** The hosts, and the steps on this machine that make them. */
  readonly testbed: TestbedPlan;
  readonly networks: readonly NetworkPlan[];
  /** Starts the generator on the client, one process in each restart for all of its slices. */
  readonly generator: Step;
  /** Before the first restart: the reference's maximum of each workload that needs it. */
  readonly maxima: readonly MaximumPlan[];
  readonly restarts: readonly RestartPlan[];
  readonly retries: RetryLimits;
  /** The search for each network's maximum after the restarts; null where the study has none. */
  readonly search: SearchPlan | null;
}

/** Set up before each slice of the network and torn down after it, newest step first. */
export type NetworkPlan = { readonly name: string; readonly what: string } & (
  | { readonly kind: 'planned'; readonly hosts: Pair<HostPlan>; readonly server: ServerPlan }
  /** The testbed places the containers; the server's address is known then. */
  | { readonly kind: 'given' }
  | { readonly kind: 'impossible'; readonly error: BarewireError }
);

/** A load whose rate may be a share of a maximum that is not known yet. */
export type LoadTemplate = Omit<LoadPlan, 'mode'> & {
  readonly mode:
    | { readonly kind: 'closed' }
    | { readonly kind: 'open'; readonly rate: Rate; readonly arrival: ResolvedStudy['arrival'] };
};

export interface SlicePlan extends DrawnSlice {
  readonly load: LoadTemplate;
  /** Steps of an external generator on the client, after those of the network; none for Barewire's own. */
  readonly generator: readonly Step[];
}
export interface RestartPlan {
  readonly restart: number;
  readonly slices: readonly SlicePlan[];
}

export interface MaximumPlan {
  readonly workload: WorkloadName;
  readonly network: string;
  /** Run one after another over the same network. The maximum is the median of their rates. */
  readonly loads: readonly LoadTemplate[];
}

/** A slice that is invalid by the self-check is kept and measured again. */
export interface RetryLimits {
  readonly perSlice: number;
  readonly inAll: number;
}

interface SearchPlan {
  readonly networks: readonly string[];
  readonly workloads: readonly WorkloadName[];
  /** For each network and workload. */
  readonly mostSlices: number;
}

const PROBES = 3;
const PROBE_MS = 800;
const PROBE_WARMUP_MS = 200;

const PER_SLICE = 2;
/** If more slices than that are invalid, measuring again does not help. */
const RETRIED_SHARE = 0.2;

/** Plans a study on hosts that are known. Pure. */
export function planStudy(
  study: ResolvedStudy,
  testbed: TestbedPlan,
  networks: readonly Network[],
): StudyPlan {
  const plans = networks.map((network) => planNetwork(network, testbed));
  const addresses = new Map(plans.map((plan) => [plan.name, serverAddress(plan)]));
  const load = (
    slice: Pick<DrawnSlice, 'network' | 'workload' | 'restart' | 'order' | 'rate'>,
  ): LoadTemplate => planLoad({ study, testbed }, slice, addresses.get(slice.network) ?? '');
  const slices = drawSlices(study).map((slice): SlicePlan => {
    const template = load(slice);
    return { ...slice, load: template, generator: externalSteps(slice, template, plans, testbed, study) };
  });
  const { client } = testbed.hosts;
  return {
    study,
    testbed,
    networks: plans,
    generator: planGenerator(client.bundle, client.cpus),
    maxima: study.workloads
      .filter((name) => wantsMaximum(study) || (study.rates[name] ?? []).some(({ kind }) => kind === 'share'))
      .map((name) => planMaximum({ study, testbed }, name, addresses.get(REFERENCE) ?? '')),
    restarts: Array.from({ length: study.restarts }, (_, index) => ({
      restart: index + 1,
      slices: slices.filter(({ restart }) => restart === index + 1),
    })),
    retries: { perSlice: PER_SLICE, inAll: Math.ceil(slices.length * RETRIED_SHARE) },
    search: wantsMaximum(study)
      ? { networks: study.networks, workloads: study.workloads, mostSlices: MAX_SLICES }
      : null,
  };
}

function planNetwork(network: Network, { hosts }: TestbedPlan): NetworkPlan {
  const { name, what } = network;
  if (network.kind === 'given') return { name, what, kind: 'given' };
  try {
    const plans = planPair(network, { run: RUN_SYMBOL }, hosts);
    const server = planServer(RUN_SYMBOL, hosts.server.cpus, plans.server.container);
    return { name, what, kind: 'planned', hosts: plans, server };
  } catch (error) {
    if (!(error instanceof BarewireError) || error.fault === 'bug') throw error;
    return { name, what, kind: 'impossible', error };
  }
}

function externalSteps(
  { network: name, rate }: DrawnSlice,
  { mode, ...load }: LoadTemplate,
  networks: readonly NetworkPlan[],
  { hosts }: TestbedPlan,
  { generator }: ResolvedStudy,
): readonly Step[] {
  const network = networks.find((plan) => plan.name === name);
  if (generator === 'barewire' || network?.kind !== 'planned') return [];
  const { netns } = network.hosts.client.container;
  const rateRps = mode.kind === 'closed' ? 0 : rate.kind === 'absolute' ? rate.rps : RATE_SYMBOL;
  return planExternal(generator, { run: RUN_SYMBOL, netns, cpus: hosts.client.cpus }, load, rateRps);
}

/** A symbol for a network whose containers are not placed yet. */
export const addressSymbol = (network: string): string => `<address(${network})>`;
const serverAddress = (plan: NetworkPlan): string =>
  plan.kind === 'planned' ? plan.hosts.server.container.address : addressSymbol(plan.name);

type Planned = Pick<StudyPlan, 'study' | 'testbed'>;

/** The load of any slice: planned, retried or searched. */
function planLoad(
  { study, testbed }: Planned,
  { workload: name, restart, order, rate }: Pick<DrawnSlice, 'workload' | 'restart' | 'order' | 'rate'>,
  address: string,
): LoadTemplate {
  const { generator, arrival } = study;
  const closed = generator !== 'barewire' && EXTERNAL_GENERATORS[generator].loop === 'closed';
  return {
    ...planRequest(address, name),
    mode: closed ? { kind: 'closed' } : { kind: 'open', rate, arrival },
    connections: study.connections,
    threads: Math.max(1, testbed.hosts.client.cpus.length),
    cpus: testbed.hosts.client.cpus,
    warmupMs: study.warmupMs,
    durationMs: study.durationMs,
    timeoutMs: study.timeoutMs,
    // Every slice has its own phases, and the same ones when it is retried with the same seed.
    seed: (study.seed + restart * 1_009 + order * 9_176) % 2 ** 31,
  };
}

/** The load of a slice that the search for the maxima chose. */
export function planSearchLoad(plan: StudyPlan, slice: PlannedSlice): LoadTemplate {
  const workload = plan.study.workloads.find((name) => name === slice.workload);
  const network = plan.networks.find(({ name }) => name === slice.network);
  if (workload === undefined || network === undefined) throw bug(`${slice.id} is of no cell of the plan`);
  const rate = { kind: 'absolute', rps: slice.rateRps } as const;
  return planLoad(plan, { ...slice, workload, rate }, serverAddress(network));
}

/** What a generator requests, and the response that it expects. */
function planRequest(address: string, name: WorkloadName): Pick<LoadPlan, 'target' | 'expect'> {
  const { path, bodyBytes } = workload(name);
  return {
    target: { address, port: SERVER_PORT, path, host: address },
    expect: { status: 200, bodyBytes },
  };
}

/** The load as a generator receives it. `rateRps` is ignored in a closed loop. */
export function resolveLoad(load: LoadTemplate, rateRps: number): LoadPlan {
  const { mode } = load;
  return { ...load, mode: mode.kind === 'closed' ? mode : { kind: 'open', rateRps, arrival: mode.arrival } };
}

/**
 * The reference's closed-loop maximum is the median of three short probes in one set-up. Barewire's own generator finds it
 * whichever tool loads the slices, so that the same share is the same rate for all of them.
 */
function planMaximum(planned: Planned, name: WorkloadName, address: string): MaximumPlan {
  const slice = { workload: name, restart: 1, order: 1, rate: { kind: 'share', ofMax: 1 } } as const;
  return {
    workload: name,
    network: REFERENCE,
    loads: Array.from({ length: PROBES }, (_, seed) => ({
      ...planLoad(planned, slice, address),
      mode: { kind: 'closed' },
      warmupMs: PROBE_WARMUP_MS,
      durationMs: PROBE_MS,
      seed,
    })),
  };
}
