import { availableParallelism, cpus } from 'node:os';
import { Worker } from 'node:worker_threads';
import { allowOpenFiles } from '../linux/index.js';
import { bundlePath } from '../machine/index.js';
import type { LoadPlan } from '../schema/index.js';
import { loadFailed, received } from './errors.js';
import { shareOf } from './pacer.js';
import type { Tally } from './tally.js';
import { Control, type ThreadData, type ThreadMessage } from './thread.js';

/** The threads of one run. Disposing stops them, and waits until they are gone. */
export class Team implements AsyncDisposable {
  readonly #control = new Control();
  readonly #members: readonly Member[];

  constructor(plan: LoadPlan, epochS: number) {
    const threads = Math.min(plan.threads, plan.connections);
    const ownFiles = needsOwnFiles(plan.connections, threads);
    this.#members = Array.from({ length: threads }, (_, thread) => {
      const share = shareOf(plan.connections, threads, thread);
      const cpu = plan.cpus[thread % plan.cpus.length] ?? null;
      const control = this.#control.buffer;
      return new Member({
        role: 'load-thread',
        plan,
        share,
        epochS,
        cpu,
        spins: hasRoom(plan, threads),
        control,
        ownFiles,
      });
    });
  }

  /** Until each thread has opened its connections, or has failed to. */
  async ready(): Promise<void> {
    await Promise.all(this.#members.map((member) => member.ready));
  }

  start(startNs: number): void {
    this.#control.go(startNs);
  }

  abort(): void {
    this.#control.abort();
  }

  async tallies(): Promise<Tally[]> {
    return Promise.all(this.#members.map((member) => member.tally));
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#control.abort();
    await Promise.all(this.#members.map((member) => member.exited));
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

/** A thread makes no garbage once it is warm: room for it would only cost memory. */
const LIMITS = { maxYoungGenerationSizeMb: 4 };

class Member {
  readonly ready: Promise<ThreadMessage>;
  readonly tally: Promise<Tally>;
  readonly exited: Promise<unknown>;

  constructor(data: ThreadData) {
    const worker = new Worker(bundlePath(), { workerData: data, execArgv: [], resourceLimits: LIMITS });
    this.exited = new Promise((resolve) => worker.once('exit', resolve));
    this.ready = messageOf(worker, 'ready');
    this.tally = messageOf(worker, 'done').then((message) => message.tally);
    // Both fail together, and only one of them is being waited for.
    this.ready.catch(() => undefined);
    this.tally.catch(() => undefined);
  }
}

type Message<Kind> = Extract<ThreadMessage, { kind: Kind }>;

function messageOf<Kind extends ThreadMessage['kind']>(worker: Worker, kind: Kind): Promise<Message<Kind>> {
  return new Promise((resolve, reject) => {
    worker.on('message', (message: ThreadMessage) => {
      if (message.kind === kind) resolve(message as Message<Kind>);
      else if (message.kind === 'failed') reject(received(message.error));
    });
    worker.on('error', reject);
    worker.on('exit', (code) => reject(loadFailed(`A load thread ended early (${code}).`, 'Run it again.')));
  });
}
