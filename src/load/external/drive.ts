import type { Machine, RunningProcess } from '../../machine/index.js';
import { type Step, machineError } from '../../schema/index.js';
import { interrupted } from '../errors.js';
import type { PoolRunOptions } from '../pool/run.js';
import type { ToolCpu } from './result.js';
import type { ExternalTool, ExternalOutput, ExternalRequest, ExternalRun } from './types.js';

/**
 * Time beyond the plan, to connect, to stop threads and to print. A tool that waits for a dead server never
 * exits.
 */
const EXTRA_TIME_MS = 15_000;

export interface Driven {
  readonly output: ExternalOutput;
  readonly spent: ToolCpu;
}

/** Runs a tool to its exit in a namespace, on the client's CPUs, and collects its output. */
export async function drive(
  machine: Machine,
  { netns, cpus }: Omit<ExternalRequest, 'run'>,
  peer: ExternalTool,
  run: ExternalRun,
  options: PoolRunOptions,
): Promise<Driven> {
  const before = await readChildCpu(machine);
  const start = performance.now();
  const text = await outputOf(machine, processStep(peer, run, { netns, cpus }), run, options);
  const wallS = (performance.now() - start) / 1000;
  const after = await readChildCpu(machine);
  const aggregated = run.afterwards === null ? '' : await aggregate(machine, run.afterwards);
  const spent = { user: after.user - before.user, system: after.system - before.system, wallS };
  return { output: { text, aggregated }, spent };
}

/** The step that starts a tool. */
export const processStep = (
  { name }: ExternalTool,
  { argv }: ExternalRun,
  { netns, cpus }: Omit<ExternalRequest, 'run'>,
): Step => ({
  why: `Load the server with ${name}.`,
  do: { kind: 'process', name, netns, argv, cpus },
  undo: { kind: 'process', name },
});

async function outputOf(
  machine: Machine,
  step: Step,
  run: ExternalRun,
  { signal, onWindow }: PoolRunOptions,
): Promise<string> {
  // A whole number: AbortSignal refuses others.
  const limitMs = Math.ceil(run.lastsMs) + EXTRA_TIME_MS;
  const limit = AbortSignal.timeout(limitMs);
  const either = signal === undefined ? limit : AbortSignal.any([signal, limit]);
  await using tool = await machine.start(step);
  using edges = new Edges(run, onWindow);
  const lines: string[] = [];
  try {
    for (let line = await tool.readLine(either); line !== null; line = await tool.readLine(either)) {
      edges.hear(line);
      lines.push(line);
    }
  } catch (error) {
    if (signal?.aborted === true) throw interrupted();
    throw limit.aborted
      ? machineError(
          'timed-out',
          `${tool.name} did not exit within ${Math.round(limitMs / 1000)} s`,
          'It waits for responses that do not arrive. Run the same study without --generator to see which.',
        )
      : error;
  }
  edges.end();
  await requireSuccess(tool);
  return `${lines.join('\n')}\n`;
}

/** Reports the edges of the recorded window, each once and in order. */
class Edges implements Disposable {
  readonly #run: ExternalRun;
  readonly #onWindow: PoolRunOptions['onWindow'];
  readonly #timer: NodeJS.Timeout | undefined;
  #said = 0;

  constructor(run: ExternalRun, onWindow: PoolRunOptions['onWindow']) {
    this.#run = run;
    this.#onWindow = onWindow;
    if ('afterMs' in run.opens) this.#timer = setTimeout(() => this.#open(), run.opens.afterMs);
  }

  hear(line: string): void {
    if (this.#run.opens instanceof RegExp && this.#run.opens.test(line)) this.#open();
    if (this.#run.closes?.test(line) === true) this.end();
  }

  end(): void {
    this.#open();
    if (this.#said++ === 1) this.#onWindow?.('close');
  }

  #open(): void {
    if (this.#said === 0) this.#onWindow?.('open');
    this.#said = Math.max(this.#said, 1);
  }

  [Symbol.dispose](): void {
    clearTimeout(this.#timer);
  }
}

async function requireSuccess(tool: RunningProcess): Promise<void> {
  const { code, signal, stderrTail } = await tool.exited;
  if (code === 0) return;
  const said = stderrTail.trim();
  throw machineError(
    'process-failed',
    `${tool.name} ${signal === null ? `exited with status ${code}` : `crashed (${signal})`}${said === '' ? ', and printed no error' : `: ${said}`}`,
    'Run the same study without --generator, which shows whether the server or the tool is at fault.',
  );
}

/**
 * CPU seconds of all processes that the agent has started and that have exited. While a tool runs the agent
 * only reads files, so the difference is the tool's, to the tick, and is available after its exit.
 */
async function readChildCpu(machine: Machine): Promise<Omit<ToolCpu, 'wallS'>> {
  const path = '/proc/self/stat';
  const text = (await machine.readFiles([path])).files[path] ?? '';
  const fields = text.slice(text.lastIndexOf(')') + 2).split(' ');
  return { user: Number(fields[13]) / 100, system: Number(fields[14]) / 100 };
}

async function aggregate(machine: Machine, argv: readonly string[]): Promise<string> {
  const { code, stdout, stderr } = await machine.run(argv, { timeoutMs: 60_000 });
  if (code === 0) return stdout;
  throw machineError(
    'process-failed',
    `${argv.join(' ')} failed: ${stderr.trim()}`,
    'Check that /run has free space: it keeps a line for each request of a slice until the slice ends.',
  );
}
