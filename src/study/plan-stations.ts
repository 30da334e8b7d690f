import { planGenerator } from '../load/index.js';
import {
  BUNDLE_MOUNT,
  pinCongestionControl,
  RUN_SYMBOL,
  sharedFolder,
  type Container,
  type Network,
} from '../network/index.js';
import {
  ARM_PORT,
  BARE,
  BARE_PORT,
  BarewireError,
  CONTROL_PORT,
  SERVER_PORT,
  type PlannedSlice,
  type ResolvedStudy,
  type Step,
} from '../schema/index.js';
import { planServer } from '../server/index.js';
import { AGENT, findTestbedKind, planPair, type PlannedHost, type TestbedPlan } from '../testbed/index.js';
import type { Station } from './groups.js';
import type { StationPlan } from './plan-types.js';

/** Identifies a station of a restart. */
export const stationKey = ({ network, role }: Pick<PlannedSlice, 'network' | 'role'>): string =>
  role === 'control' ? `${network}-control` : network;

export function planStation(
  station: Station,
  network: Network,
  { hosts, deployed }: TestbedPlan,
  { networks, testbed, reference, tuning, ...study }: ResolvedStudy,
): StationPlan {
  const { what } = network;
  const { sharesHosts, ownGenerators } = findTestbedKind(testbed);
  const ownHosts = sharesHosts === 'never';
  const sharesWithArms = tuning?.ablation !== undefined && !ownHosts;
  const taken = hosts.server.takenPorts ?? [];
  const port =
    sharesWithArms && station.role !== 'control'
      ? armPort(networks.indexOf(station.network), taken)
      : serverPort(station, taken);
  if (network.kind === 'given')
    return { ...station, what: deployed?.what ?? what, port, kind: 'given', steps: deployed?.steps ?? null };
  try {
    // Networks that are set up together on the same hosts have containers of different numbers.
    const firstContainer = ownHosts
      ? 1
      : Math.max(0, networks.filter((name) => name !== reference).indexOf(station.network)) + 1;
    const request = { run: RUN_SYMBOL, station: stationKey(station), firstContainer };
    const plans = planPair(network, request, hosts);
    const endpoint = {
      ...plans.server.container,
      port,
      build: hosts.server.nginx,
      ...(leavesWorkers(tuning, station.network) ? { pinned: false } : {}),
    };
    const server = planServer(
      RUN_SYMBOL,
      stationKey(station),
      hosts.server.cpus,
      endpoint,
      endpoint.docker && sharedFolder(endpoint.docker.name),
    );
    const congestionControl = String(
      tuning?.arms[station.network]?.['congestion-control'] ?? study.congestionControl,
    );
    // On shared hosts, the reference has pinned it for its control. Arms replace each other's pins.
    const pinned = (station.role === 'control' || station.network === BARE) && !ownHosts && !sharesWithArms;
    const pin = (from: Container, to: Container): readonly Step[] =>
      congestionControl === UNCHANGED || pinned ? [] : [pinCongestionControl(from, to, congestionControl)];
    const [client, peer] = [plans.client.container, plans.server.container];
    const pins = { client: pin(client, peer), server: pin(peer, client) };
    const generator = ownGenerators ? planOwnGenerator(client, hosts.client) : null;
    const { caveat } = network;
    return {
      ...station,
      what,
      port,
      ...(caveat !== undefined && { caveat }),
      kind: 'planned',
      hosts: plans,
      pins,
      server,
      generator,
    };
  } catch (error) {
    if (!(error instanceof BarewireError) || error.fault === 'bug') throw error;
    return { ...station, what, port, kind: 'impossible', error };
  }
}

/** In an ablation with this knob, arms without it leave the workers to the scheduler. */
const leavesWorkers = (tuning: ResolvedStudy['tuning'], network: string): boolean =>
  tuning?.ablation?.effects.some(({ knob }) => knob === 'server-affinity') === true &&
  tuning.arms[network]?.['server-affinity'] === undefined;

/** Where the container is one of Docker, in it, which also sets its CPUs. */
const planOwnGenerator = ({ docker }: Container, { bundle, cpus }: PlannedHost): Step => {
  const step = planGenerator(docker === undefined ? bundle : ['node', `${BUNDLE_MOUNT}/${AGENT}`], cpus);
  if (docker === undefined || step.do.kind !== 'process') return step;
  return { ...step, do: { ...step.do, cpus: [], container: docker } };
};

/** Leaves the congestion control of the hosts' kernels. */
export const UNCHANGED = 'unchanged';

/** The set-ups of the reference may have one address. A port that another program of the host listens on is left to it. */
function serverPort({ network, role }: Station, taken: readonly number[]): number {
  const usual = role === 'control' ? CONTROL_PORT : network === BARE ? BARE_PORT : SERVER_PORT;
  let port: number = usual;
  while (taken.includes(port)) port += PORT_STEP;
  return port;
}

/** More than the distance of the ports from each other. */
const PORT_STEP = 10;

/** Of the arms of an ablation on hosts that all share: the free ports from the first one on, in the order of the arms. */
function armPort(arm: number, taken: readonly number[]): number {
  let port = ARM_PORT;
  for (let before = 0; before < arm || taken.includes(port); port++) if (!taken.includes(port)) before++;
  return port;
}

/** Where a generator reaches the server in a container. */
export const endpointOf = (
  { port }: Pick<StationPlan, 'port'>,
  { published, address }: Container,
): { readonly address: string; readonly port: number } => published ?? { address, port };
