import { freshRunId } from '../machine/index.js';
import { BarewireError, bug } from '../schema/index.js';
import { openTestbed, type Testbed } from '../testbed/index.js';
import type { StudyPlan } from './plan-types.js';

/** The hosts of a study: opened for each station, or kept for all of them. Disposing closes those that are kept. */
export class Hosts implements AsyncDisposable {
  readonly #plan: StudyPlan;
  readonly #unbound: StudyPlan['testbed'];
  readonly #signal: AbortSignal;
  readonly #run: string;
  #kept: Testbed | null = null;
  /** Those of ended restarts, until they are closed. */
  readonly #closing: Promise<void>[] = [];

  /**
   * @param unbound the testbed's plan with its symbols; each opening binds them to a run id
   * @param run the id of hosts that are kept for the whole study
   */
  constructor(plan: StudyPlan, unbound: StudyPlan['testbed'], run: string, signal: AbortSignal) {
    this.#plan = plan;
    this.#unbound = unbound;
    this.#run = run;
    this.#signal = signal;
  }

  get areShared(): boolean {
    return this.#plan.sharesHosts !== 'never';
  }

  /** Opens the hosts that all stations share, unless they are open. */
  async open(): Promise<void> {
    if (!this.areShared || this.#kept !== null) return;
    const run = this.#plan.sharesHosts === 'in-study' ? this.#run : freshRunId();
    try {
      this.#kept = await this.#open(run);
    } catch (error) {
      const isFull = error instanceof BarewireError && error.fault === 'machine';
      if (!isFull || this.#closing.length === 0 || this.#signal.aborted) throw error;
      // A quota or a node may lack room for these and those of the last restart.
      await this.#closed();
      this.#kept = await this.#open(freshRunId());
    }
  }

  /** The hosts that all stations share, or new ones for a single station, which the caller disposes. */
  async forStation(): Promise<Testbed> {
    if (!this.areShared) return await this.#open(freshRunId());
    await this.open();
    return this.shared;
  }

  get shared(): Testbed {
    if (this.#kept === null) throw bug('the shared hosts are not open');
    return this.#kept;
  }

  /** At the end of a restart: hosts that only its stations share are closed while the next ones are opened. */
  endRestart(): void {
    if (this.#plan.sharesHosts !== 'in-restart' || this.#kept === null) return;
    const closing = Promise.resolve(this.#kept[Symbol.asyncDispose]());
    this.#kept = null;
    // Disposing reports it.
    closing.catch(() => undefined);
    this.#closing.push(closing);
  }

  async #closed(): Promise<void> {
    const outcomes = await Promise.allSettled(this.#closing.splice(0));
    for (const outcome of outcomes) if (outcome.status === 'rejected') throw outcome.reason;
  }

  async #open(run: string): Promise<Testbed> {
    const { testbed, wire, ip, networks } = this.#plan.study;
    return await openTestbed(testbed, { run, wire, ip, networks, signal: this.#signal }, this.#unbound);
  }

  async [Symbol.asyncDispose](): Promise<void> {
    const kept = this.#kept;
    this.#kept = null;
    try {
      await kept?.[Symbol.asyncDispose]();
    } finally {
      await this.#closed();
    }
  }
}
