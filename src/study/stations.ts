import { isIPv6 } from 'node:net';
import type { GeneratorProcess } from '../load/index.js';
import type { Machine } from '../machine/index.js';
import { childrenOf } from '../metrics/index.js';
import { bindSymbols, RUN_SYMBOL } from '../network/index.js';
import { BarewireError, bug, type ErrorCode, type LoadPlan, type SliceRecord } from '../schema/index.js';
import { ADDRESS_PATH, planServer, startServer, type ServerPlan } from '../server/index.js';
import {
  checkPath,
  findOfferedNetwork,
  onBothHosts,
  setUpNetwork,
  type ActiveNetwork,
  type NetworkUse,
  type ObservedPath,
  type PlacedServer,
  type Testbed,
} from '../testbed/index.js';
import type { Hosts } from './hosts.js';
import { StationGenerators } from './station-generators.js';
import { endpointOf, resolveLoad, serverPort, stationKey, type StationPlan, type StudyPlan } from './plan.js';

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
  readonly signal: AbortSignal;
}

interface Entry {
  /** Its own hosts; null where they are shared, or could not be opened. */
  readonly testbed: Testbed | null;
  station: OpenStation | BarewireError;
  /** In the order of what was done. */
  readonly undo: Undo[];
}

/** A station before it is set up. */
interface Opening {
  readonly plan: StationPlan;
  readonly hosts: PromiseSettledResult<Testbed>;
}

const useOf = ({ role }: StationPlan): NetworkUse => (role === 'control' ? 'control' : 'measured');

type Undo = () => PromiseLike<unknown>;

/** The stations of a restart, by key. Disposing tears all down, newest first. */
export class Stations implements AsyncDisposable {
  readonly #context: StationContext;
  readonly #open = new Map<string, Entry>();
  readonly #generators: StationGenerators;
  #count = 0;
  /** How long tearing down took, by network. */
  readonly #tearDownMs = new Map<string, number>();

  constructor(context: StationContext) {
    this.#context = context;
    const { study, maxima, search } = context.plan;
    const closes = search !== null || maxima.some(({ kind }) => kind === 'closed-loop');
    this.#generators = new StationGenerators(closes ? ['closed', study.arrival] : [study.arrival]);
  }

  /**
   * Sets up what is missing of these stations, and tears down the others. One that fails is kept as its error, which its slices
   * report. The hosts are opened while the generator of this restart gets ready.
   *
   * @throws the signal's reason; BarewireError `agent-lost`
   */
  async setUpOnly(keys: readonly string[], restart: number): Promise<void> {
    const generatorReady = this.#context.generator?.ready(restart) ?? Promise.resolve();
    // It is awaited below, and must not end the process before.
    generatorReady.catch(() => undefined);
    await this.#close((key) => !keys.includes(key));
    await this.#context.hosts.open();
    const missing = this.#context.unbound.stations.filter(
      (plan) => keys.includes(stationKey(plan)) && !this.#open.has(stationKey(plan)),
    );
    // Hosts of their own are independent, and opening them mostly waits for the agents.
    const opening = await Promise.all(
      missing.map(async (plan) => {
        const { hosts: pool } = this.#context;
        const [hosts] = await Promise.allSettled([pool.forStation()]);
        const own = hosts.status === 'fulfilled' && !pool.areShared ? hosts.value : null;
        const undo = own === null ? [] : [() => own[Symbol.asyncDispose]()];
        const entry: Entry = { station: bug('it was not set up'), undo, testbed: own };
        this.#open.set(stationKey(plan), entry);
        return { plan, hosts, entry };
      }),
    );
    await generatorReady;
    await this.#warmUpGiven(opening, restart);
    for (const { plan, hosts, entry } of opening)
      try {
        if (hosts.status === 'rejected') throw hosts.reason;
        this.#context.signal.throwIfAborted();
        entry.station = await this.#setUp(plan, hosts.value, restart, entry.undo);
      } catch (error) {
        if (this.#context.signal.aborted || !isOutcome(error)) throw error;
        entry.station = error;
      }
  }

  /**
   * Starts the generators of networks that the testbed has placed already, all at once: their warm-ups take most of a set-up. What
   * fails fails again, and is reported, when the station is set up.
   */
  async #warmUpGiven(opening: readonly Opening[], restart: number): Promise<void> {
    if (this.#context.generator !== null) return;
    const warming = opening.map(async ({ plan, hosts }) => {
      if (hosts.status === 'rejected') return;
      const network = findOfferedNetwork(this.#context.plan.study.testbed, plan.network);
      if (network.kind !== 'given') return;
      const placement = await hosts.value.placeContainers?.(network, useOf(plan));
      if (placement?.client === undefined) return;
      await this.#generators.warmUp(placement.client, hosts.value.client, restart);
    });
    await Promise.allSettled(warming);
  }

  /** @throws BarewireError why it could not be set up */
  get(key: string): OpenStation {
    const found = this.#open.get(key)?.station;
    if (found === undefined) throw bug(`station ${key} was not set up`);
    if (found instanceof Error) throw found;
    return found;
  }

  /** Makes the generators of open stations ready for a restart: one that has exited is started again. */
  async makeReady(restart: number): Promise<void> {
    const stations = [...this.#open.values()].flatMap(({ station }) =>
      station instanceof Error ? [] : [station.generator],
    );
    await Promise.all([...new Set(stations)].map((generator) => generator.ready(restart)));
  }

  /** The hosts of a station, also when its network could not be set up. */
  hostsOf(key: string): Testbed {
    return this.#open.get(key)?.testbed ?? this.#context.hosts.shared;
  }

  async #setUp(
    unboundPlan: StationPlan,
    testbed: Testbed,
    restart: number,
    undo: Undo[],
  ): Promise<OpenStation> {
    const { plan } = this.#context;
    const planned = bindSymbols(unboundPlan, { [RUN_SYMBOL]: testbed.run });
    if (planned.kind === 'impossible') throw planned.error;
    const network = findOfferedNetwork(plan.study.testbed, planned.network);
    const active = await setUpNetwork(testbed, network, {
      plans: planned.kind === 'planned' ? planned.hosts : undefined,
      use: useOf(planned),
    });
    undo.push(async () => this.#tearDownMs.set(planned.network, await active.tearDown()));
    if (planned.kind === 'planned')
      await onBothHosts(testbed, ({ machine, role }) => machine.apply(planned.pins[role]));
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
    undo: Undo[],
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
    undo: Undo[],
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
    const pids: PlacedServer['pids'] = [server.pid, ...(await childrenOf(machine, server.pid))];
    return {
      server: {
        machine,
        pids,
        ...endpointOf(plan, active.server),
        assertRunning: () => server.assertRunning(),
      },
    };
  }

  async #close(which: (key: string) => boolean): Promise<void> {
    const closing: Undo[][] = [];
    for (const [key, { undo }] of [...this.#open].reverse())
      if (which(key)) {
        closing.push(undo);
        this.#open.delete(key);
      }
    const failures: unknown[] = [];
    const settle = async (undo: Undo[]): Promise<void> => {
      for (const one of undo.reverse())
        try {
          await one();
        } catch (error) {
          // Disposing of the hosts undoes the steps of a lost agent from its journal.
          if (!isLostHost(error)) failures.push(error);
        }
    };
    // On shared hosts, undo is by the order of the steps.
    if (!this.#context.hosts.areShared) await Promise.all(closing.map(settle));
    else for (const undo of closing) await settle(undo);
    if (failures.length > 0) throw failures[0];
  }

  async tearDownAll(): Promise<void> {
    await this.#close(() => true);
    await this.#generators[Symbol.asyncDispose]();
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.tearDownAll();
  }
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
  const endpoint = { ...server, port: serverPort(plan) };
  return planServer(testbed.run, stationKey(plan), testbed.server.cpus, endpoint);
}

/** IPv6 addresses have several spellings. */
const sameAddress = (one: string, other: string): boolean => inUrlForm(one) === inUrlForm(other);
const inUrlForm = (address: string): string =>
  isIPv6(address) ? new URL(`http://[${address}]`).hostname : address;

/** A failure of a network: the others continue. */
export const isOutcome = (error: unknown): error is BarewireError =>
  error instanceof BarewireError && !isLostHost(error);

/** Failures of hosts that the next restart makes anew. */
const OF_HOSTS: readonly ErrorCode[] = [
  'agent-lost',
  'agent-protocol',
  'host-unreachable',
  'cluster-refused',
  'pod-failed',
  'timed-out',
];

/** A failure that ends a restart where the next one makes new hosts. */
export const endsRestart = (error: unknown): error is BarewireError =>
  error instanceof BarewireError && OF_HOSTS.includes(error.code);

const isLostHost = (error: unknown): error is BarewireError =>
  error instanceof BarewireError && error.code === 'agent-lost';
