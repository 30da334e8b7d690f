import { bug, type BarewireError, type PlannedSlice } from '../schema/index.js';
import { findOfferedNetwork, type Testbed } from '../testbed/index.js';
import { StationGenerators } from './station-generators.js';
import { stationKey } from './plan-stations.js';
import type { StationPlan } from './plan-types.js';
import { isLostHost, isOutcome } from './station-errors.js';
import {
  StationSetUp,
  useOf,
  type OpenStation,
  type StationContext,
  type Teardown,
} from './station-set-up.js';

interface Entry {
  /** Its own hosts; null where they are shared, or could not be opened. */
  readonly testbed: Testbed | null;
  station: OpenStation | BarewireError;
  /** In the order of what was done. */
  readonly undo: Teardown[];
}

/** A station before it is set up. */
interface Opening {
  readonly plan: StationPlan;
  readonly hosts: PromiseSettledResult<Testbed>;
}

/** The stations of a restart, by key. Disposing tears all down, newest first. */
export class Stations implements AsyncDisposable {
  readonly #context: StationContext;
  readonly #open = new Map<string, Entry>();
  readonly #generators: StationGenerators;
  readonly #setUp: StationSetUp;

  constructor(context: StationContext) {
    this.#context = context;
    const { study, maxima, search } = context.plan;
    const closes = search !== null || maxima.some(({ kind }) => kind === 'closed-loop');
    this.#generators = new StationGenerators(closes ? ['closed', study.arrival] : [study.arrival]);
    this.#setUp = new StationSetUp(context, this.#generators);
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
        entry.station = await this.#setUp.setUp(plan, hosts.value, restart, entry.undo);
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

  /** Sets what the arm of a slice wants of hosts that others share. */
  async tune(slice: Pick<PlannedSlice, 'network' | 'role'>): Promise<void> {
    const key = stationKey(slice);
    const station = this.#context.plan.stations.find((plan) => stationKey(plan) === key);
    if (station !== undefined) await this.#context.tuning.switchTo(station, this.get(key).testbed);
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

  async #close(which: (key: string) => boolean): Promise<void> {
    const closing: Teardown[][] = [];
    for (const [key, { undo }] of [...this.#open].reverse())
      if (which(key)) {
        closing.push(undo);
        this.#open.delete(key);
      }
    const failures: unknown[] = [];
    const settle = async (undo: Teardown[]): Promise<void> => {
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
