import { spawn, type ChildProcess } from 'node:child_process';
import { once } from 'node:events';
import { resolve } from 'node:path';

const BAREWIRE = resolve(import.meta.dirname, '../../bin/barewire');

export interface Ended {
  readonly status: number | null;
  readonly stdout: string;
  readonly stderr: string;
}

const running = new Set<Run>();

/** Ends what a failed test left running. */
export async function endRuns(): Promise<void> {
  for (const run of running) run.signalGroup('SIGKILL');
  await Promise.all([...running].map(({ ended }) => ended));
}

/** A barewire of its own session, so that a test can end it with everything that stayed in its group. */
export class Run {
  readonly child: ChildProcess;
  stdout = '';
  stderr = '';
  readonly ended: Promise<Ended>;

  constructor(args: readonly string[], prefix: readonly string[] = []) {
    const [program = process.execPath, ...rest] = [...prefix, process.execPath, BAREWIRE, ...args];
    this.child = spawn(program, rest, { detached: true, stdio: ['ignore', 'pipe', 'pipe'] });
    this.child.stdout?.setEncoding('utf8').on('data', (text: string) => (this.stdout += text));
    this.child.stderr?.setEncoding('utf8').on('data', (text: string) => (this.stderr += text));
    running.add(this);
    this.ended = once(this.child, 'close').then(() => {
      running.delete(this);
      return { status: this.child.exitCode, stdout: this.stdout, stderr: this.stderr };
    });
  }

  /** Signals the whole process group, as a terminal's Ctrl-C or a hard kill would. */
  signalGroup(signal: NodeJS.Signals): void {
    if (this.child.pid !== undefined && this.child.exitCode === null) process.kill(-this.child.pid, signal);
  }

  /** Waits until what it printed on standard error matches. */
  async untilSaid(pattern: RegExp): Promise<RegExpExecArray> {
    for (let waited = 0; waited < 30_000; waited += 10) {
      const match = pattern.exec(this.stderr);
      if (match !== null) return match;
      if (this.child.exitCode !== null) break;
      await sleep(10);
    }
    throw new Error(`barewire never said ${String(pattern)}; it said:\n${this.stderr}`);
  }
}

/** Runs the command line to its end. */
export const barewire = (args: readonly string[], prefix: readonly string[] = []): Promise<Ended> =>
  new Run(args, prefix).ended;

export const sleep = (ms: number): Promise<void> => new Promise((done) => setTimeout(done, ms));
