import { setFlagsFromString } from 'node:v8';
import { runInNewContext } from 'node:vm';
import { isMainThread, parentPort } from 'node:worker_threads';
import {
  enterNetns,
  Epoll,
  pinThread,
  setHighOwnSessionPriority,
  setHighThreadPriority,
  setTimerSlack,
  SyscallError,
  unshareFiles,
} from '../../linux/index.js';
import { type LoadPlan, userError } from '../../schema/index.js';
import { encodeError, type WireError } from '../../rpc/index.js';
import { Connections } from '../engine/connections.js';
import { LoadLoop, type KeptConnections, type ThreadJob } from '../engine/loop.js';
import type { Share } from '../engine/pacer.js';
import type { SharedTally, Tally } from '../engine/tally.js';
import { checkTarget, type CheckedTarget } from '../engine/target.js';

/** A set of connections that stays open for later loads of the same name. A new one beyond `ofSets` closes the oldest. */
export interface KeptSet {
  readonly set: string;
  readonly ofSets: number;
}

/** One load, as sent to a thread. */
export interface LoadJob extends ThreadJob {
  readonly kind: 'load';
  /** The namespace of the load; null is the process's own. */
  readonly netns: string | null;
  readonly cpu: number | null;
  readonly control: SharedArrayBuffer;
  /** Under which name its connections stay open; null closes them. */
  readonly keep: KeptSet | null;
  /** True when the process may not open as many files as connections, but each thread may open its share. */
  readonly ownFiles: boolean;
}

/** One request, before any load. */
export interface CheckJob extends Pick<LoadPlan, 'target' | 'expect'> {
  readonly kind: 'check';
  readonly netns: string | null;
}

export type ThreadMessage =
  /** `counts` is present when they can be read during the run. */
  | { readonly kind: 'ready'; readonly counts?: SharedTally }
  | { readonly kind: 'done'; readonly tally: Tally }
  | { readonly kind: 'checked'; readonly checked: CheckedTarget }
  | { readonly kind: 'failed'; readonly error: WireError };

const WAIT = 0;
const GO = 1;
const ABORT = 2;

/** Starts the threads of a run together, and stops them. A thread in its loop reads no messages. */
export class Control {
  readonly buffer: SharedArrayBuffer;
  readonly #phase: Int32Array;
  readonly #startNs: Float64Array;

  constructor(buffer = new SharedArrayBuffer(16)) {
    this.buffer = buffer;
    this.#phase = new Int32Array(buffer, 0, 1);
    this.#startNs = new Float64Array(buffer, 8, 1);
  }

  /** Starts at `startNs` of the clock that all threads share. */
  go(startNs: number): void {
    this.#startNs[0] = startNs;
    if (Atomics.compareExchange(this.#phase, 0, WAIT, GO) === WAIT) Atomics.notify(this.#phase, 0);
  }

  abort(): void {
    Atomics.store(this.#phase, 0, ABORT);
    Atomics.notify(this.#phase, 0);
  }

  get isAborted(): boolean {
    return Atomics.load(this.#phase, 0) === ABORT;
  }

  /** Blocks the thread until `go` or `abort`. */
  waitForStart(): number {
    Atomics.wait(this.#phase, 0, WAIT);
    return this.#startNs[0]!;
  }
}

/** The main function of a load thread. It runs one job after another; compiled code is kept. */
export function runThread(): void {
  if (isMainThread || parentPort === null)
    throw new TypeError('runThread is the main function of a worker thread');
  const port = parentPort;
  const post = (message: ThreadMessage): void => port.postMessage(message);
  setFlagsFromString('--expose-gc');
  const collect = runInNewContext('gc') as () => void;
  let loadedMs = 0;
  port.on('message', (job: LoadJob | CheckJob) => {
    if (job.kind === 'check') return void check(job, post);
    load(job, post);
    // Collects garbage now, and not during the next load. Each load leaves 1 MB and collecting takes 13 ms, which a study of
    // short slices would spend between any two.
    loadedMs += job.plan.durationMs;
    if (loadedMs < COLLECT_EACH_MS) return;
    collect();
    loadedMs = 0;
  });
}

/** Loads of this length together are one collection of garbage apart. */
const COLLECT_EACH_MS = 2_000;

function load(job: LoadJob, post: (message: ThreadMessage) => void): void {
  try {
    prepareThread(job);
    using _there = enterNetns(job.netns);
    const control = new Control(job.control);
    using loop = new LoadLoop(
      job,
      () => control.isAborted,
      job.keep === null ? undefined : keptFor(job, job.keep),
    );
    // V8 discards hidden classes, and the code compiled for them, when the last object is collected. So one loop
    // of each kind of pacing is kept.
    const kind = job.plan.mode.kind === 'closed' ? job.plan.mode.kind : job.plan.mode.arrival;
    if (!kept.has(kind)) kept.set(kind, loop);
    loop.open();
    post(job.plan.readingMs === undefined ? { kind: 'ready' } : { kind: 'ready', counts: loop.counts });
    const startNs = control.waitForStart();
    post({ kind: 'done', tally: loop.run(startNs) });
  } catch (error) {
    post({ kind: 'failed', error: encodeError(error) });
  }
}

const keptConnections = new Map<string, KeptConnections>();

/** The connections that an earlier load left open under this name, or new ones. Called inside the namespace. */
function keptFor({ plan, share }: LoadJob, { set, ofSets }: KeptSet): KeptConnections {
  const { address, port } = plan.target;
  const key = JSON.stringify([set, address, port, share]);
  const found = keptConnections.get(key) ?? openSet(plan, share);
  // The one that was used last is the last one of the map.
  keptConnections.delete(key);
  for (const [oldest, { connections, epoll }] of keptConnections) {
    if (keptConnections.size < ofSets) break;
    keptConnections.delete(oldest);
    connections[Symbol.dispose]();
    epoll[Symbol.dispose]();
  }
  keptConnections.set(key, found);
  return found;
}

function openSet(plan: LoadPlan, share: Share): KeptConnections {
  const epoll = new Epoll();
  return { epoll, connections: new Connections(plan, share, epoll) };
}

const kept = new Map<string, LoadLoop>();

async function check(
  { netns, target, expect }: CheckJob,
  post: (message: ThreadMessage) => void,
): Promise<void> {
  try {
    using _there = enterNetns(netns);
    post({ kind: 'checked', checked: await checkTarget(target, expect) });
  } catch (error) {
    post({ kind: 'failed', error: encodeError(error) });
  }
}

function prepareThread({ cpu, busyPolls, ownFiles }: LoadJob): void {
  if (ownFiles) unshareFiles();
  setTimerSlack(1);
  if (cpu === null) return;
  // Without the right to raise its priority a thread still loads. The self-check reports how long other tasks had the CPU.
  if (busyPolls) {
    setHighOwnSessionPriority();
    try {
      setHighThreadPriority();
    } catch (error) {
      if (!(error instanceof SyscallError)) throw error;
    }
  }
  try {
    pinThread(cpu);
  } catch (cause) {
    if (!(cause instanceof SyscallError)) throw cause;
    throw userError(
      `Could not pin a load thread to CPU ${cpu} (${cause.message}).`,
      'Use CPUs that this machine has and this process may use: `taskset -p $$` lists them.',
      { cause },
    );
  }
}
