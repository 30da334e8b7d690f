import { isMainThread, parentPort, workerData } from 'node:worker_threads';
import {
  pinThread,
  putOwnSessionFirst,
  putThreadFirst,
  setTimerSlack,
  SyscallError,
  unshareFiles,
} from '../linux/index.js';
import { BarewireError } from '../schema/index.js';
import { sendable, type SentError } from './errors.js';
import { LoadLoop, type ThreadJob } from './loop.js';
import type { Tally } from './tally.js';

/** What a thread is started with. */
export interface ThreadData extends ThreadJob {
  readonly role: 'load-thread';
  readonly cpu: number | null;
  readonly control: SharedArrayBuffer;
  /** The process may not open as many files as there are connections, but each thread may open its share. */
  readonly ownFiles: boolean;
}

export type ThreadMessage =
  | { readonly kind: 'ready' }
  | { readonly kind: 'done'; readonly tally: Tally }
  | { readonly kind: 'failed'; readonly error: SentError };

const WAIT = 0;
const GO = 1;
const ABORT = 2;

/** How the threads of a run are told to start together, and to stop: a thread in its loop reads no messages. */
export class Control {
  readonly buffer: SharedArrayBuffer;
  readonly #phase: Int32Array;
  readonly #startNs: Float64Array;

  constructor(buffer = new SharedArrayBuffer(16)) {
    this.buffer = buffer;
    this.#phase = new Int32Array(buffer, 0, 1);
    this.#startNs = new Float64Array(buffer, 8, 1);
  }

  /** `startNs` is on the clock that all threads share. */
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

/** The main of a load thread. */
export function runThread(): void {
  if (isMainThread || parentPort === null) throw new TypeError('runThread is the main of a worker thread');
  const port = parentPort;
  const post = (message: ThreadMessage): void => port.postMessage(message);
  try {
    const data = workerData as ThreadData;
    prepareThread(data);
    const control = new Control(data.control);
    using loop = new LoadLoop(data, () => control.isAborted);
    loop.open();
    post({ kind: 'ready' });
    const startNs = control.waitForStart();
    post({ kind: 'done', tally: loop.run(startNs) });
  } catch (error) {
    post({ kind: 'failed', error: sendable(error) });
  }
}

function prepareThread({ cpu, spins, ownFiles }: ThreadData): void {
  if (ownFiles) unshareFiles();
  setTimerSlack(1);
  if (cpu === null) return;
  if (spins) tryToBeFirst();
  try {
    pinThread(cpu);
  } catch (cause) {
    if (!(cause instanceof SyscallError)) throw cause;
    throw new BarewireError(`A load thread cannot be pinned to CPU ${cpu} (${cause.message}).`, {
      code: 'bad-input',
      fault: 'user',
      hint: 'Name CPUs that this machine has and this process may use: `taskset -p $$` shows them.',
      cause,
    });
  }
}

/** Without the right to, the load is made all the same: the certificate tells how long other tasks had the CPU. */
function tryToBeFirst(): void {
  putOwnSessionFirst();
  try {
    putThreadFirst();
  } catch (error) {
    if (!(error instanceof SyscallError)) throw error;
  }
}
