import type { Machine } from '../machine/index.js';
import type { Step, VerifiedSetting } from '../schema/index.js';

interface ActiveSteps {
  readonly key: string;
  readonly network: string;
  readonly mark: number;
  readonly steps: number;
}

/** A machine that arms of an ablation share: it has the settings of one of them at a time. */
export class SwitchedMachine {
  readonly #machine: Machine;
  readonly #record: (network: string, settings: readonly VerifiedSetting[]) => Promise<void>;
  #active: ActiveSteps | null = null;
  readonly #verified = new Set<string>();

  /** @param record takes what was found of the settings of an arm */
  constructor(
    machine: Machine,
    record: (network: string, settings: readonly VerifiedSetting[]) => Promise<void>,
  ) {
    this.#machine = machine;
    this.#record = record;
  }

  /** Sets what an arm wants, and restores what the one before has set. */
  async setFor(network: string, steps: readonly Step[]): Promise<void> {
    const key = JSON.stringify(steps);
    if (this.#active?.key === key) return;
    await this.#verify();
    if (this.#active !== null) await this.#machine.undo(this.#active.mark, this.#active.steps);
    this.#active = null;
    const applied = await this.#machine.apply(steps);
    this.#active = { key, network, ...applied };
  }

  /** Compares each arm once in a restart: to do so before each slice would take time from it. */
  async #verify(): Promise<void> {
    const active = this.#active;
    if (active === null || active.steps === 0 || this.#verified.has(active.network)) return;
    this.#verified.add(active.network);
    await this.#record(active.network, await this.#machine.verify());
  }

  /** After a restart each arm is compared again. */
  async endRestart(): Promise<void> {
    await this.#verify();
    this.#verified.clear();
  }
}
