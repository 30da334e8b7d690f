import { Worker } from 'node:worker_threads';
import { bundlePath } from '../../machine/index.js';
import { loadFailed } from '../errors.js';
import { decodeError } from '../../rpc/index.js';
import type { Tally } from '../engine/tally.js';
import type { CheckedTarget } from '../engine/target.js';
import type { CheckJob, LoadJob, ThreadMessage } from './thread.js';

/** A warm thread creates no garbage; space for it would only cost memory. */
const LIMITS = { maxYoungGenerationSizeMb: 4 };

/** The threads of a process, kept from load to load. Disposing stops them; no job may be running. */
export class WorkerPool implements AsyncDisposable {
  #members: Member[] = [];

  /** Returns `count` threads, existing ones first. */
  members(count: number): readonly Member[] {
    this.#members = this.#members.filter(({ isGone }) => !isGone);
    while (this.#members.length < count) this.#members.push(new Member());
    return this.#members.slice(0, count);
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await Promise.all(this.#members.map((member) => member.end()));
  }
}

/** A load that a thread was given. */
export interface WorkerRun {
  /** Resolves when its connections are open or have failed. */
  readonly ready: Promise<Message<'ready'>>;
  readonly tally: Promise<Tally>;
}

/** One thread. It does one job at a time. */
class Member {
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
