import { isIPv6 } from 'node:net';
import { findThrottling } from '../linux/index.js';
import type { GeneratorProcess } from '../load/index.js';
import type { Machine } from '../machine/index.js';
import { childrenOf } from '../metrics/index.js';
import { bindSymbols, pinCongestionControl, RUN_SYMBOL } from '../network/index.js';
import { bug, type LoadPlan, type SliceRecord, type Step } from '../schema/index.js';
import { ADDRESS_PATH, planServer, startServer, type ServerPlan } from '../server/index.js';
import {
  checkPath,
  findOfferedNetwork,
  onBothHosts,
  setUpNetwork,
  type ActiveNetwork,
  type NetworkUse,
  type ObservedPath,
  type Pair,
  type PlacedServer,
  type Testbed,
} from '../testbed/index.js';
import type { Hosts } from './hosts.js';
import type { StationGenerators } from './station-generators.js';
import type { TuningOfStudy } from './tuning.js';
import { endpointOf, stationKey, UNCHANGED } from './plan-stations.js';
import { resolveLoad } from './plan-loads.js';
import type { StationPlan, StudyPlan } from './plan-types.js';

/** A station that is set up: its network, its server, and the checked path between them. */
export interface OpenStation {
  /** Unique in a study: the same network set up again is another station. */
  readonly id: string;
  readonly testbed: Testbed;
  readonly active: ActiveNetwork;
  readonly server: PlacedServer;
  /** The client's, or that of the client's container. */
  readonly clientMachine: Machine;
  readonly generator: GeneratorProcess;
  /** The namespace from which the generator sends, by name; null is the generator's own. */
  readonly clientNetns: string | null;
  /** What setting it up took; null after it was taken for a record. */
  takeSetup(): SliceRecord['setup'];
}

/** What stations are made from. */
export interface StationContext {
  readonly plan: StudyPlan;
  /** With the symbols of the hosts; each station with hosts of its own binds them to a run id of its own. */
  readonly unbound: { readonly stations: readonly StationPlan[] };
  readonly hosts: Hosts;
  /** The generator of all stations; null where each has its own. */
  readonly generator: GeneratorProcess | null;
  readonly tuning: TuningOfStudy;
  readonly signal: AbortSignal;
}

/** Undoes one part of a set-up. */
export type Teardown = () => PromiseLike<unknown>;

export const useOf = ({ role }: StationPlan): NetworkUse => (role === 'control' ? 'control' : 'measured');

/** Sets up stations: the network, the server, the generator, and the checked path between them. */
export class StationSetUp {
  readonly #context: StationContext;
  readonly #generators: StationGenerators;
  #count = 0;
  /** How long tearing down took, by network. */
  readonly #tearDownMs = new Map<string, number>();

  constructor(context: StationContext, generators: StationGenerators) {
    this.#context = context;
    this.#generators = generators;
  }

  /** Sets up a station on its hosts. What it does is undone by `undo`, newest first, also when it fails. */
  async setUp(
    unboundPlan: StationPlan,
    testbed: Testbed,
    restart: number,
    undo: Teardown[],
  ): Promise<OpenStation> {
    const { plan } = this.#context;
    const planned = bindSymbols(unboundPlan, { [RUN_SYMBOL]: testbed.run });
    if (planned.kind === 'impossible') throw planned.error;
    const network = findOfferedNetwork(plan.study.testbed, planned.network);
    const { tuning } = this.#context;
    await tuning.switchTo(planned, testbed);
    await tuning.tuneHosts(testbed, planned);
    const active = await setUpNetwork(testbed, network, {
      plans: planned.kind === 'planned' ? planned.hosts : undefined,
      use: useOf(planned),
    });
    undo.push(async () => this.#tearDownMs.set(planned.network, await active.tearDown()));
    const pins = planned.kind === 'planned' ? planned.pins : pinsOf(active, plan.study.congestionControl);
    if (!tuning.switchesHosts) await onBothHosts(testbed, ({ machine, role }) => machine.apply(pins[role]));
    const netns = { client: active.client.netns, server: active.server.netns };
    await tuning.tuneContainers(testbed, planned, netns);
    undo.push(() => tuning.verify(testbed, planned));
    const { placement } = active;
    const generator = await this.#generatorOf(planned, active, testbed, restart, undo);
    // A generator of the station's own is started where it sends.
    const clientNetns =
      generator === this.#context.generator ? (active.client.netns ?? testbed.client.netns ?? null) : null;
    const load = plan.restarts[0]?.groups[0]?.slices[0]?.load;
    if (load === undefined) throw bug('a study without a slice');
    const { address, port } = placement?.server ?? endpointOf(planned, active.server);
    const target: LoadPlan['target'] = { ...load.target, address, host: address, port };
    const request = async (): Promise<void> => {
      await generator.from(clientNetns).check(target, load.expect);
    };
    const burst = async (): Promise<number> => {
      const plan = resolveLoad({ ...load, ...PATH_BURST, target }, PATH_BURST.mode.rate.rps);
      return (await generator.from(clientNetns).run(plan, { signal: this.#context.signal })).requests;
    };
    const { server, path } = await this.#serve(planned, testbed, active, { request, burst }, undo);
    undo.push(() => tuning.verifyConnections(testbed, planned, netns));
    const seen = await generator
      .from(clientNetns)
      .check({ ...target, path: ADDRESS_PATH }, { status: 200, bodyBytes: null });
    let setup: SliceRecord['setup'] = {
      steps: active.steps,
      setUpMs: active.setUpMs,
      tearDownMs: this.#tearDownMs.get(planned.network) ?? null,
      sourceAddress: sameAddress(seen.body, active.client.address) ? 'own' : seen.body,
      ...(path === undefined ? {} : { path }),
    };
    return {
      id: `station${++this.#count}`,
      testbed,
      active,
      server,
      clientMachine: placement?.client?.machine ?? testbed.client.machine,
      generator,
      clientNetns,
      takeSetup: () => {
        const taken = setup;
        setup = null;
        return taken;
      },
    };
  }

  /** The generator of all stations, or one of its own that is started where the plan or the testbed has placed the client. */
  async #generatorOf(
    planned: StationPlan,
    { placement }: ActiveNetwork,
    testbed: Testbed,
    restart: number,
    undo: Teardown[],
  ): Promise<GeneratorProcess> {
    const { generator: shared } = this.#context;
    const { machine } = testbed.client;
    const step = planned.kind === 'planned' ? planned.generator : null;
    const place = placement?.client ?? (step === null ? undefined : { machine, generator: step });
    if (place === undefined) {
      if (shared === null) throw bug('a station has no generator');
      return shared;
    }
    const own = this.#generators.take(place, testbed.client);
    undo.push(() => own.release());
    await own.generator.ready(restart);
    return own.generator;
  }

  /** Starts the server, unless it runs already, and checks the path to it. */
  async #serve(
    plan: StationPlan,
    testbed: Testbed,
    active: ActiveNetwork,
    { request, burst }: { readonly request: () => Promise<void>; readonly burst: () => Promise<number> },
    undo: Teardown[],
  ): Promise<{ server: PlacedServer; path?: ObservedPath | undefined }> {
    const { placement } = active;
    if (placement?.server !== undefined) {
      const path = await placement.observePath?.(request, burst);
      return { server: placement.server, path };
    }
    const { machine } = testbed.server;
    const server = await startServer(machine, serverOf(plan, testbed, active));
    undo.push(() => server[Symbol.asyncDispose]());
    await checkPath(testbed, active, () => server.ready(request), burst);
    const readFiles = async (paths: readonly string[]) => (await machine.readFiles(paths)).files;
    const [workers, throttling] = await Promise.all([
      childrenOf(machine, server.pid),
      findThrottling(readFiles, server.pid),
    ]);
    return {
      server: {
        machine,
        pids: [server.pid, ...workers],
        throttling,
        ...endpointOf(plan, active.server),
        assertRunning: () => server.assertRunning(),
      },
    };
  }
}

/** Of containers that the testbed has made for the study in a given network. */
function pinsOf({ client, server, placement }: ActiveNetwork, algorithm: string): Pair<readonly Step[]> {
  const isOwn = placement?.server === undefined && client.netns !== null;
  if (!isOwn || algorithm === UNCHANGED) return { client: [], server: [] };
  return {
    client: [pinCongestionControl(client, server, algorithm)],
    server: [pinCongestionControl(server, client, algorithm)],
  };
}

/** Enough packets to tell a device that carries them from one that carries the agents' messages. */
const PATH_BURST = {
  mode: { kind: 'open', rate: { kind: 'absolute', rps: 2_000 }, arrival: 'constant' },
  connections: 4,
  threads: 1,
  warmupMs: 0,
  durationMs: 60,
} as const;

function serverOf(plan: StationPlan, testbed: Testbed, { server }: ActiveNetwork): ServerPlan {
  if (plan.kind === 'planned') return plan.server;
  const endpoint = { ...server, port: plan.port, build: testbed.server.nginx };
  return planServer(testbed.run, stationKey(plan), testbed.server.cpus, endpoint);
}

/** IPv6 addresses have several spellings. */
const sameAddress = (one: string, other: string): boolean => inUrlForm(one) === inUrlForm(other);
const inUrlForm = (address: string): string =>
  isIPv6(address) ? new URL(`http://[${address}]`).hostname : address;
