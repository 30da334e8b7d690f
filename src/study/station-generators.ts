import { GeneratorProcess } from '../load/index.js';
import type { Machine } from '../machine/index.js';
import type { Placement, Testbed } from '../testbed/index.js';

type Pacing = NonNullable<ConstructorParameters<typeof GeneratorProcess>[3]>[number];
type ClientPlace = NonNullable<Placement['client']>;

interface Entry {
  readonly generator: GeneratorProcess;
  /** Open stations that send by it. */
  users: number;
}

/**
 * The generators of stations that do not send by the study's: one for each place, such as a pod, which all networks that send from
 * there share. Disposing ends those without a user.
 */
export class StationGenerators implements AsyncDisposable {
  readonly #pacings: readonly Pacing[];
  /** By machine and step. */
  readonly #entries = new Map<Machine, Map<string, Entry>>();

  /** @param pacings the kinds of load to warm up for */
  constructor(pacings: readonly Pacing[]) {
    this.#pacings = pacings;
  }

  /** Starts and warms up the generator of a place for a restart, unless it is. */
  async warmUp(place: ClientPlace, host: Testbed['client'], restart: number): Promise<void> {
    await this.#entry(place, host).generator.ready(restart);
  }

  /** Adds a user to the generator of a place. Releasing the last one ends it. */
  take(
    place: ClientPlace,
    host: Testbed['client'],
  ): { readonly generator: GeneratorProcess; readonly release: () => Promise<void> } {
    const entry = this.#entry(place, host);
    entry.users++;
    return {
      generator: entry.generator,
      release: async () => {
        if (--entry.users > 0) return;
        this.#entries.get(place.machine)?.delete(keyOf(place));
        await entry.generator.end();
      },
    };
  }

  #entry(place: ClientPlace, { cpus, threads = cpus.length }: Testbed['client']): Entry {
    const known = this.#entries.get(place.machine)?.get(keyOf(place));
    if (known !== undefined) return known;
    const generator = new GeneratorProcess(
      place.machine,
      cpus.slice(0, threads),
      place.generator,
      this.#pacings,
    );
    const entry = { generator, users: 0 };
    const ofMachine = this.#entries.get(place.machine) ?? new Map<string, Entry>();
    this.#entries.set(place.machine, ofMachine.set(keyOf(place), entry));
    return entry;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    const unused = [...this.#entries.values()].flatMap((ofMachine) => [...ofMachine.values()]);
    this.#entries.clear();
    await Promise.allSettled(unused.map(({ generator }) => generator.end()));
  }
}

const keyOf = ({ generator }: ClientPlace): string => JSON.stringify(generator);
