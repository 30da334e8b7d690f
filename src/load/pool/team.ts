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
  /** Undefined derives it from the CPUs. */
  readonly spins: boolean | undefined;
}

/** The threads of one run. Disposing stops their load and waits for them. */
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

  /** Resolves when each thread has opened its connections, or has failed to. Returns the shared counts. */
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
 * Returns whether each thread has its own CPU and the server another one. A thread that busy-polls, or has
 * high priority, on the server's CPU would starve what it measures.
 */
function hasRoom({ cpus: pinned }: LoadPlan, threads: number): boolean {
  if (pinned.length === 0) return availableParallelism() > threads;
  const distinct = new Set(pinned).size;
  return distinct >= threads && cpus().length > distinct;
}

/** File descriptors of a thread beside its connections. */
const SPARE_FILES = 100;

/**
 * Raises the limit of open files for the connections: of the process, or of each thread where that limit is
 * too low.
 *
 * @throws BarewireError `load-failed` when neither suffices
 */
function needsOwnFiles(connections: number, threads: number): boolean {
  const allowed = allowOpenFiles(connections + SPARE_FILES);
  if (allowed >= connections + SPARE_FILES) return false;
  const room = allowed - SPARE_FILES;
  if (Math.ceil(connections / threads) <= room) return true;
  throw loadFailed(
    `${connections} connections in ${threads} threads need more open files than this process may have (${allowed}).`,
    `Use ${Math.ceil(connections / room)} threads or more, or raise the limit: ulimit -n ${connections + SPARE_FILES}`,
  );
}
