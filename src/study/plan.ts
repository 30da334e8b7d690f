import { EXTERNAL_GENERATORS, planExternal, planGenerator, RATE_SYMBOL } from '../load/index.js';
import {
  BUNDLE_MOUNT,
  pinCongestionControl,
  RUN_SYMBOL,
  sharedFolder,
  type Container,
  type HostPlan,
  type Network,
} from '../network/index.js';
import {
  BARE,
  BARE_PORT,
  BarewireError,
  bug,
  CONTROL_PORT,
  SERVER_PORT,
  type LoadPlan,
  type PlannedSlice,
  type Rate,
  type ResolvedStudy,
  type Step,
  type WorkloadName,
} from '../schema/index.js';
import { planServer, workload, type ServerPlan } from '../server/index.js';
import { MAX_SLICES, searchSliceMs, wantsMaximum } from '../stats/index.js';
import {
  AGENT,
  findTestbedKind,
  planPair,
  type Pair,
  type PlannedHost,
  type RegisteredTestbed,
  type TestbedPlan,
} from '../testbed/index.js';
import { requireLinkCapacity } from './link-capacity.js';
import type { Station } from './groups.js';
import { drawRestarts, type DrawnSlice } from './plan-slices.js';

/**
 * Everything that a study does, as data. `study --dry-run` prints it, and the runner executes it with its
 * symbols bound: the run's id, exchanged keys, and the reference's maximum, on which some rates depend.
 */
export interface StudyPlan {
  readonly study: ResolvedStudy;
  /** The hosts, and the steps on this machine that make them. */
  readonly testbed: TestbedPlan;
  /** `never`: each station has hosts of its own, made by these steps under a run id of their own. */
  readonly sharesHosts: RegisteredTestbed['sharesHosts'];
  readonly stations: readonly StationPlan[];
  /** Starts the generator on the client, one process in each restart for all of its slices; null where each station has its own. */
  readonly generator: Step | null;
  /** Before the first restart: the reference's maximum of each workload that needs it. */
  readonly maxima: readonly MaximumPlan[];
  readonly restarts: readonly RestartPlan[];
  readonly retries: RetryLimits;
  /** The search for each network's maximum after the restarts; null where the study has none. */
  readonly search: SearchPlan | null;
}

/** Set up in each restart, and torn down at its end or that of its group, newest step first. */
export type StationPlan = Station & { readonly what: string } & (
    | {
        readonly kind: 'planned';
        readonly hosts: Pair<HostPlan>;
        /** Pin the congestion control, after the network's own steps, which alone are its setup cost. */
        readonly pins: Pair<readonly Step[]>;
        readonly server: ServerPlan;
        /** Starts the station's own generator; null where a study has one for all. */
        readonly generator: Step | null;
      }
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

interface SlicePlan extends DrawnSlice {
  readonly load: LoadTemplate;
  /** Steps of an external generator on the client, after those of the network; none for Barewire's own. */
  readonly generator: readonly Step[];
}
export interface RestartPlan {
  readonly restart: number;
  readonly groups: readonly GroupPlan[];
}

/** Stations that are set up together, and their slices in order. */
interface GroupPlan {
  readonly stations: readonly Station[];
  readonly slices: readonly SlicePlan[];
}

export interface MaximumPlan {
  readonly workload: WorkloadName;
  readonly network: string;
  /** `closed-loop`: the median of these loads' rates; `estimated`: predicted from the CPU time at lower rates, by windows of the load. */
  readonly kind: 'closed-loop' | 'estimated';
  /** Run one after another over the same network. */
  readonly loads: readonly LoadTemplate[];
}

/** A slice that is invalid by the self-check is kept and measured again. */
interface RetryLimits {
  readonly perSlice: number;
  readonly inAll: number;
}

interface SearchPlan {
  readonly networks: readonly string[];
  readonly workloads: readonly WorkloadName[];
  /** For each network and workload. */
  readonly mostSlices: number;
  readonly durationMs: number;
}

const PROBES = 3;
const PROBE_MS = 500;
const PROBE_WARMUP_MS = 100;

const PER_SLICE = 2;
/** If more slices than that are invalid, measuring again does not help. */
const RETRIED_SHARE = 0.2;
/** Of a study whose time is given: the plan leaves time for 3 %. */
const RETRIED_SHARE_IN_TIME = 0.05;

/** Plans a study on hosts that are known. Pure. */
export function planStudy(
  study: ResolvedStudy,
  testbed: TestbedPlan,
  networks: readonly Network[],
): StudyPlan {
  const { sharesHosts, ownGenerators } = findTestbedKind(study.testbed);
  const speeds = Object.values(testbed.hosts).flatMap(({ linkMbps }) => linkMbps ?? []);
  requireLinkCapacity(study, study.wire.rateMbps ?? (speeds.length === 0 ? null : Math.min(...speeds)));
  const drawn = drawRestarts(study);
  // The reference is a station even of a study without it: some rates are shares of its maximum.
  const all = [
    ...drawn.flatMap((groups) => groups.flatMap((group) => group.stations)),
    { network: study.reference, role: 'reference' } as const,
  ];
  const stations = [...new Map(all.map((one) => [stationKey(one), one])).values()].flatMap((station) => {
    const network = networks.find(({ name }) => name === station.network);
    return network === undefined ? [] : [planStation(station, network, testbed, study)];
  });
  const withLoad = (slice: DrawnSlice): SlicePlan => {
    const station = stations.find((one) => stationKey(one) === stationKey(slice));
    const load = planLoad({ study, testbed }, slice, station);
    return { ...slice, load, generator: externalSteps(slice, load, station, testbed, study) };
  };
  const restarts = drawn.map((groups, index) => ({
    restart: index + 1,
    groups: groups.map((group) => ({ stations: group.stations, slices: group.slices.map(withLoad) })),
  }));
  const slices = restarts.reduce(
    (sum, { groups }) => sum + groups.reduce((own, group) => own + group.slices.length, 0),
    0,
  );
  const reference = stations.find(({ network }) => network === study.reference);
  const { client } = testbed.hosts;
  return {
    study,
    testbed,
    sharesHosts,
    stations,
    generator: ownGenerators ? null : planGenerator(client.bundle, client.cpus),
    maxima: study.workloads
      .filter((name) => wantsMaximum(study) || (study.rates[name] ?? []).some(({ kind }) => kind === 'share'))
      .map((name) => planMaximum({ study, testbed }, name, reference)),
    restarts,
    retries: {
      perSlice: PER_SLICE,
      inAll: Math.ceil(slices * (study.timeMs === null ? RETRIED_SHARE : RETRIED_SHARE_IN_TIME)),
    },
    search: wantsMaximum(study)
      ? {
          networks: study.networks,
          workloads: study.workloads,
          mostSlices: MAX_SLICES,
          durationMs: searchSliceMs(study),
        }
      : null,
  };
}

/** Identifies a station of a restart. */
export const stationKey = ({ network, role }: Pick<PlannedSlice, 'network' | 'role'>): string =>
  role === 'control' ? `${network}-control` : network;

function planStation(
  station: Station,
  network: Network,
  { hosts }: TestbedPlan,
  { networks, testbed, congestionControl, reference }: ResolvedStudy,
): StationPlan {
  const { what } = network;
  const { sharesHosts, ownGenerators } = findTestbedKind(testbed);
  const ownHosts = sharesHosts === 'never';
  if (network.kind === 'given') return { ...station, what, kind: 'given' };
  try {
    // Networks that are set up together on the same hosts have containers of different numbers.
    const firstContainer = ownHosts
      ? 1
      : Math.max(0, networks.filter((name) => name !== reference).indexOf(station.network)) + 1;
    const request = { run: RUN_SYMBOL, station: stationKey(station), firstContainer };
    const plans = planPair(network, request, hosts);
    const endpoint = { ...plans.server.container, port: serverPort(station) };
    const server = planServer(
      RUN_SYMBOL,
      stationKey(station),
      hosts.server.cpus,
      endpoint,
      endpoint.docker && sharedFolder(endpoint.docker.name),
    );
    // On shared hosts, the reference has pinned it for its control.
    const pinned = (station.role === 'control' || station.network === BARE) && !ownHosts;
    const pin = (from: Container, to: Container): readonly Step[] =>
      congestionControl === UNCHANGED || pinned ? [] : [pinCongestionControl(from, to, congestionControl)];
    const [client, peer] = [plans.client.container, plans.server.container];
    const pins = { client: pin(client, peer), server: pin(peer, client) };
    const generator = ownGenerators ? planOwnGenerator(client, hosts.client) : null;
    return { ...station, what, kind: 'planned', hosts: plans, pins, server, generator };
  } catch (error) {
    if (!(error instanceof BarewireError) || error.fault === 'bug') throw error;
    return { ...station, what, kind: 'impossible', error };
  }
}

/** Where the container is one of Docker, in it, which also sets its CPUs. */
const planOwnGenerator = ({ docker }: Container, { bundle, cpus }: PlannedHost): Step => {
  const step = planGenerator(docker === undefined ? bundle : ['node', `${BUNDLE_MOUNT}/${AGENT}`], cpus);
  if (docker === undefined || step.do.kind !== 'process') return step;
  return { ...step, do: { ...step.do, cpus: [], container: docker } };
};

/** Leaves the congestion control of the hosts' kernels. */
export const UNCHANGED = 'unchanged';

/** The set-ups of the reference may have one address. */
export const serverPort = ({ network, role }: Station): number =>
  role === 'control' ? CONTROL_PORT : network === BARE ? BARE_PORT : SERVER_PORT;

/** Where a generator reaches the server in a container. */
export const endpointOf = (
  station: Station,
  { published, address }: Container,
): { readonly address: string; readonly port: number } => published ?? { address, port: serverPort(station) };

function externalSteps(
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
function planLoad(
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
          port: station === undefined ? SERVER_PORT : serverPort(station),
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
function planMaximum(planned: Planned, name: WorkloadName, reference: StationPlan | undefined): MaximumPlan {
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
