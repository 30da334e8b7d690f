import { bundlePath, version, type Machine, type RunningProcess } from '../../machine/index.js';
import { RpcClient } from '../../rpc/index.js';
import {
  BarewireError,
  bug,
  machineError,
  type LoadPlan,
  type LoadReading,
  type LoadResult,
  type Step,
} from '../../schema/index.js';
import type { CheckedTarget } from '../engine/target.js';
import { GENERATOR_PROTOCOL } from './generator-protocol.js';
import type { PoolRunOptions } from './run.js';
import type { Pacing } from './warm-up.js';

/** Sends a load from a namespace. Disposing during a load stops the process. */
export interface Generator extends AsyncDisposable {
  readonly pid: number;
  /**
   * Sends one request before any load.
   *
   * @throws BarewireError `load-failed` without the expected response
   */
  check(target: LoadPlan['target'], expect: LoadPlan['expect']): Promise<CheckedTarget>;
  run(plan: LoadPlan, options?: Omit<PoolRunOptions, 'netns'>): Promise<LoadResult>;
}

/**
 * The generator process of a host. It serves all slices of a restart, because its code is fast only once V8
 * has compiled it, and is replaced for the next restart, because each process settles at a different speed.
 * Disposing stops it, also during a run.
 */
export class GeneratorProcess implements AsyncDisposable {
  readonly #machine: Machine;
  readonly #cpus: readonly number[];
  readonly #step: Step;
  readonly #pacings: readonly Pacing[];
  #running: StartedGenerator | null = null;
  #restart = 0;
  /** Settles when the process of that restart is warm, or could not be started. */
  #starting: Promise<void> | null = null;

  /**
   * `cpus` are the CPUs that the process may use. The plan of each run pins its threads. It is warmed up for the kinds of load
   * of `pacings`.
   */
  constructor(
    machine: Machine,
    cpus: readonly number[],
    step = planGenerator(machine.bundle ?? [process.execPath, bundlePath()], cpus),
    pacings: readonly Pacing[] = ['closed', 'constant', 'poisson'],
  ) {
    this.#machine = machine;
    this.#cpus = cpus;
    this.#step = step;
    this.#pacings = pacings;
  }

  /**
   * Starts the process and warms it up, unless it runs for that restart already. Call it before the steps of
   * a slice.
   */
  async ready(restart: number): Promise<void> {
    const isOfRestart = this.#restart === restart && this.#running?.hasExited !== true;
    if (this.#starting === null || !isOfRestart) this.#starting = this.#start(restart);
    await this.#starting;
  }

  async #start(restart: number): Promise<void> {
    await this.end();
    this.#restart = restart;
    this.#running = new StartedGenerator(await this.#machine.start(this.#step));
    await this.#running.client.shakeHands();
    await this.#running.client.request('warmUp', {
      threads: Math.max(1, this.#cpus.length),
      pacings: [...this.#pacings],
    });
  }

  /** Returns the generator for a namespace of the host, by name; null is the host's own. Requires `ready`. */
  from(netns: string | null): Generator {
    const running = this.#running;
    if (running === null) throw bug('the generator was not started');
    let isBusy = false;
    const whileBusy = async <T>(work: Promise<T>): Promise<T> => {
      isBusy = true;
      const result = await work;
      isBusy = false;
      return result;
    };
    return {
      pid: running.process.pid,
      check: (target, expect) => whileBusy(running.client.request('check', { target, expect, netns })),
      run: (plan, options = {}) => whileBusy(running.run(plan, netns, options)),
      [Symbol.asyncDispose]: () => (isBusy ? this.end() : Promise.resolve()),
    };
  }

  /** The processes of a lost agent are stopped. */
  async end(): Promise<void> {
    const running = this.#running;
    this.#running = null;
    this.#starting = null;
    try {
      await running?.process[Symbol.asyncDispose]();
    } catch (error) {
      if (!(error instanceof BarewireError) || error.code !== 'agent-lost') throw error;
    }
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.end();
  }
}

/** A running generator process and the RPC client over its standard input and output. */
class StartedGenerator {
  readonly process: RunningProcess;
  readonly client: RpcClient<typeof GENERATOR_PROTOCOL>;
  hasExited = false;
  #onWindow: PoolRunOptions['onWindow'];
  #onReading: ((reading: LoadReading) => void) | undefined;

  constructor(running: RunningProcess) {
    this.process = running;
    this.client = new RpcClient(GENERATOR_PROTOCOL, {
      peer: 'generator',
      version: version(),
      write: (line) => running.writeLine(line),
      onEvent: {
        window: (edge) => this.#onWindow?.(edge),
        reading: (reading) => this.#onReading?.(reading),
      },
    });
    void this.#receive();
  }

  async run(
    plan: LoadPlan,
    netns: string | null,
    { signal, onWindow, onReading, keep = null }: PoolRunOptions,
  ): Promise<LoadResult> {
    this.#onWindow = onWindow;
    this.#onReading = onReading;
    let abort = (): void => undefined;
    const aborted = new Promise<never>((_, reject) => {
      abort = () => reject(signal?.reason as Error);
    });
    aborted.catch(() => undefined);
    if (signal?.aborted === true) abort();
    signal?.addEventListener('abort', abort, { once: true });
    try {
      return await Promise.race([this.client.request('run', { plan, netns, keep }), aborted]);
    } finally {
      signal?.removeEventListener('abort', abort);
    }
  }

  async #receive(): Promise<void> {
    for (let line = await this.process.readLine(); line !== null; line = await this.process.readLine())
      this.client.receive(line);
    this.hasExited = true;
    const { code, signal, stderrTail } = await this.process.exited;
    this.client.end(
      machineError(
        'process-failed',
        `The generator (pid ${this.process.pid}) exited: ${signal ?? `status ${String(code)}`}: ${stderrTail}`,
        'See the last lines of its standard error above.',
      ),
    );
  }
}

/** The step that starts a generator. `bundle` is the command `[node, agent.mjs]` of its host. */
export const planGenerator = (bundle: readonly string[], cpus: readonly number[]): Step => ({
  why: 'Start the load generator.',
  do: { kind: 'process', name: 'generator', netns: null, argv: [...bundle, 'generator'], cpus },
  undo: { kind: 'process', name: 'generator' },
});
