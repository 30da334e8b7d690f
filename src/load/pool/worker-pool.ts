import { availableParallelism, cpus } from 'node:os';
import { Worker } from 'node:worker_threads';
import { allowOpenFiles, readCpuQuota } from '../../linux/index.js';
import { bundlePath } from '../../machine/index.js';
import { decodeError } from '../../rpc/index.js';
import type { LoadPlan } from '../../schema/index.js';
import { shareOf } from '../engine/pacer.js';
import type { SharedTally, Tally } from '../engine/tally.js';
import type { CheckedTarget } from '../engine/target.js';
import { loadFailed } from '../errors.js';
import { Control, type CheckJob, type KeptSet, type LoadJob, type ThreadMessage } from './thread.js';

/** A warm thread creates no garbage; space for it would only cost memory. */
const LIMITS = { maxYoungGenerationSizeMb: 4 };

/** The threads of a process, kept from load to load. Disposing stops them; no job may be running. */
export class WorkerPool implements AsyncDisposable {
  #workers: PoolWorker[] = [];

  /** Returns `count` threads, existing ones first. */
  workers(count: number): readonly PoolWorker[] {
    this.#workers = this.#workers.filter(({ isGone }) => !isGone);
    while (this.#workers.length < count) this.#workers.push(new PoolWorker());
    return this.#workers.slice(0, count);
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await Promise.all(this.#workers.map((worker) => worker.end()));
  }
}

/** A load that a thread was given. */
export interface WorkerRun {
  /** Resolves when its connections are open or have failed. */
  readonly ready: Promise<Message<'ready'>>;
  readonly tally: Promise<Tally>;
}

/** One thread. It does one job at a time. */
class PoolWorker {
  isGone = false;
  readonly #worker = new Worker(bundlePath(), { execArgv: [], resourceLimits: LIMITS });

  constructor() {
    this.#worker.once('exit', () => (this.isGone = true));
    // No other listener exists between two jobs.
    this.#worker.on('error', () => (this.isGone = true));
  }

  load(job: LoadJob): WorkerRun {
    const ready = this.#message('ready');
    const tally = this.#message('done').then((message) => message.tally);
    // Both fail together, and only one of them is awaited.
    ready.catch(() => undefined);
    tally.catch(() => undefined);
    this.#worker.postMessage(job);
    return { ready, tally };
  }

  async check(job: CheckJob): Promise<CheckedTarget> {
    const message = this.#message('checked');
    this.#worker.postMessage(job);
    return (await message).checked;
  }

  async end(): Promise<void> {
    if (!this.isGone) await this.#worker.terminate();
  }

  #message<Kind extends ThreadMessage['kind']>(kind: Kind): Promise<Message<Kind>> {
    const worker = this.#worker;
    return new Promise<Message<Kind>>((resolve, reject) => {
      const heard = (message: ThreadMessage): void => {
        if (message.kind === kind) settle(() => resolve(message as Message<Kind>));
        else if (message.kind === 'failed') settle(() => reject(decodeError(message.error)));
      };
      const broke = (error: Error): void => settle(() => reject(error));
      const ended = (code: number): void =>
        settle(() => reject(loadFailed(`A load thread exited early (${code}).`, 'Run it again.')));
      const settle = (conclude: () => void): void => {
        worker.off('message', heard).off('error', broke).off('exit', ended);
        conclude();
      };
      worker.on('message', heard).on('error', broke).on('exit', ended);
    });
  }
}

type Message<Kind> = Extract<ThreadMessage, { kind: Kind }>;

interface Setting extends Pick<LoadJob, 'netns' | 'epochS'> {
  /** Under which name its connections stay open; null closes them. */
  readonly keep: KeptSet | null;
  /** Undefined derives it from the CPUs. */
  readonly busyPolls: boolean | undefined;
}

/** The threads of one run. Disposing stops their load and waits for them. */
export class PoolRun implements AsyncDisposable {
  readonly #control = new Control();
  readonly #runs: readonly WorkerRun[];

  constructor(pool: WorkerPool, plan: LoadPlan, { netns, epochS, busyPolls: asked, keep: wanted }: Setting) {
    const threads = Math.min(plan.threads, plan.connections);
    const keep = wanted !== null && mayKeep(plan.connections * wanted.ofSets) ? wanted : null;
    const ownFiles = extendFileLimit(plan.connections, threads);
    // Polling uses up a quota, after which the kernel stops the whole group.
    const busyPolls = asked ?? (haveOwnCpus(plan, threads) && readCpuQuota() === null);
    const control = this.#control.buffer;
    this.#runs = pool.workers(threads).map((worker, thread) => {
      const share = shareOf(plan.connections, threads, thread);
      const cpu = plan.cpus[thread % plan.cpus.length] ?? null;
      return worker.load({
        kind: 'load',
        plan,
        netns,
        share,
        epochS,
        cpu,
        busyPolls,
        control,
        ownFiles,
        keep,
      });
    });
  }

  /** Resolves when each thread has opened its connections, or has failed to. Returns the shared counts. */
  async ready(): Promise<readonly SharedTally[]> {
    const ready = await Promise.all(this.#runs.map((run) => run.ready));
    return ready.flatMap(({ counts }) => counts ?? []);
  }

  start(startNs: number): void {
    this.#control.go(startNs);
  }

  abort(): void {
    this.#control.abort();
  }

  async tallies(): Promise<Tally[]> {
    return Promise.all(this.#runs.map(({ tally }) => tally));
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#control.abort();
    await Promise.allSettled(this.#runs.map(({ tally }) => tally));
  }
}

/**
 * Returns whether each thread has its own CPU and the server another one. A thread that busy-polls, or has
 * high priority, on the server's CPU would starve what it measures.
 */
function haveOwnCpus({ cpus: pinned }: LoadPlan, threads: number): boolean {
  if (pinned.length === 0) return availableParallelism() > threads;
  const distinct = new Set(pinned).size;
  return distinct >= threads && cpus().length > distinct;
}

/** Returns whether the process may hold that many connections at once, and raises its limit of open files for them. */
const mayKeep = (connections: number): boolean =>
  connections <= MAX_KEPT && allowOpenFiles(connections + OWN_FILES) >= connections + OWN_FILES;
/** Each holds memory of both kernels, and a source port where a network shares its host's address. */
const MAX_KEPT = 20_000;

/** File descriptors of a thread beside its connections. */
const OWN_FILES = 100;

/**
 * Raises the limit of open files for the connections: of the process, or of each thread where that limit is
 * too low.
 *
 * @throws BarewireError `load-failed` when neither suffices
 */
function extendFileLimit(connections: number, threads: number): boolean {
  const allowed = allowOpenFiles(connections + OWN_FILES);
  if (allowed >= connections + OWN_FILES) return false;
  const room = allowed - OWN_FILES;
  if (Math.ceil(connections / threads) <= room) return true;
  throw loadFailed(
    `${connections} connections in ${threads} threads need more open files than this process may have (${allowed}).`,
    `Use ${Math.ceil(connections / room)} threads or more, or raise the limit: ulimit -n ${connections + OWN_FILES}`,
  );
}
