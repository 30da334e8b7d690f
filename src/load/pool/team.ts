import { availableParallelism, cpus } from 'node:os';
import { allowOpenFiles } from '../../linux/index.js';
import type { LoadPlan } from '../../schema/index.js';
import type { WorkerRun, WorkerPool } from './crew.js';
import { loadFailed } from '../errors.js';
import { shareOf } from '../engine/pacer.js';
import type { SharedCounts } from './readings.js';
import type { Tally } from '../engine/tally.js';
import { Control, type LoadJob } from './thread.js';

interface Setting extends Pick<LoadJob, 'netns' | 'epochS'> {
  /** Undefined: where each thread has a CPU for itself. */
  readonly spins: boolean | undefined;
}

/** The threads of one run. Disposing stops their load, and waits until it has stopped. */
export class PoolRun implements AsyncDisposable {
  readonly #control = new Control();
  readonly #assignments: readonly WorkerRun[];

  constructor(crew: WorkerPool, plan: LoadPlan, { netns, epochS, spins: mustSpin }: Setting) {
    const threads = Math.min(plan.threads, plan.connections);
    const ownFiles = needsOwnFiles(plan.connections, threads);
    const spins = mustSpin ?? hasRoom(plan, threads);
    const control = this.#control.buffer;
    this.#assignments = crew.members(threads).map((member, thread) => {
      const share = shareOf(plan.connections, threads, thread);
      const cpu = plan.cpus[thread % plan.cpus.length] ?? null;
      return member.load({ kind: 'load', plan, netns, share, epochS, cpu, spins, control, ownFiles });
    });
  }

  /** Until each thread has opened its connections, or has failed to. Gives what can be read of them in mid-run. */
  async ready(): Promise<readonly SharedCounts[]> {
    const ready = await Promise.all(this.#assignments.map((assignment) => assignment.ready));
    return ready.flatMap(({ counts }) => counts ?? []);
  }

  start(startNs: number): void {
    this.#control.go(startNs);
  }

  abort(): void {
    this.#control.abort();
  }

  async tallies(): Promise<Tally[]> {
    return Promise.all(this.#assignments.map(({ tally }) => tally));
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#control.abort();
    await Promise.allSettled(this.#assignments.map(({ tally }) => tally));
  }
}

/**
 * Whether each thread has a CPU for itself, and the server one beside them: a thread that spins, or goes first, where the
 * server runs would starve what it measures.
 */
function hasRoom({ cpus: pinned }: LoadPlan, threads: number): boolean {
  if (pinned.length === 0) return availableParallelism() > threads;
  const distinct = new Set(pinned).size;
  return distinct >= threads && cpus().length > distinct;
}

/** Descriptors that a thread has beside its connections. */
const SPARE_FILES = 100;

/**
 * Makes room for the connections' descriptors: in the process, or where its limit is too low for that, in each thread.
 *
 * @throws BarewireError `load-failed` when neither has room
 */
function needsOwnFiles(connections: number, threads: number): boolean {
  const allowed = allowOpenFiles(connections + SPARE_FILES);
  if (allowed >= connections + SPARE_FILES) return false;
  const room = allowed - SPARE_FILES;
  if (Math.ceil(connections / threads) <= room) return true;
  throw loadFailed(
    `${connections} connections in ${threads} threads need more open files than a process may have here (${allowed}).`,
    `Use ${Math.ceil(connections / room)} threads or more, or raise the limit: ulimit -n ${connections + SPARE_FILES}`,
  );
}
