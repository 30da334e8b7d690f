import { spawn, type ChildProcess, type ChildProcessByStdio } from 'node:child_process';
import { once } from 'node:events';
import type { Readable, Writable } from 'node:stream';
import { text } from 'node:stream/consumers';
import { inNetns, netnsExists } from '../linux/index.js';
import { machineError, bug, type Action, messageOf } from '../schema/index.js';
import type { RunResult } from './types.js';

/** Includes the folders of root's tools, which a login's PATH may lack. */
export const toolPath = (): string => `${process.env['PATH'] ?? '/usr/bin:/bin'}:/usr/sbin:/sbin`;

/** The environment variable that identifies what a step started after its owner was killed. */
export const TAG = 'BAREWIRE_STEP';

export interface CommandOptions {
  readonly netns: string | null;
  /** A promise keeps the standard input open until it is kept. */
  readonly input?: string | Promise<string> | undefined;
  readonly timeoutMs?: number | undefined;
  /** Runs in its own session, which the terminal's Ctrl-C does not reach. */
  readonly shielded?: boolean;
  /** The value of TAG in its environment. */
  readonly tag?: string;
}

/**
 * Runs a program to its end in a namespace. A non-zero exit is a result. Throws `missing-tool` when there is
 * no such program, `timed-out` when it ran longer than `timeoutMs` and was killed.
 */
export async function runCommand(argv: readonly string[], options: CommandOptions): Promise<RunResult> {
  const started = performance.now();
  const child = spawnIn(argv, options);
  // A program that does not read its input may exit before it is written.
  child.stdin.on('error', () => undefined);
  const { input = '' } = options;
  if (typeof input === 'string') child.stdin.end(input);
  else void input.then((text) => child.stdin.end(text));
  const output = Promise.all([text(child.stdout), text(child.stderr)]);
  // Not awaited when the program is missing or times out.
  output.catch(() => undefined);
  const { code, signal } = await exitOf(child, argv[0] ?? '');
  if (signal === 'SIGKILL' && performance.now() - started >= (options.timeoutMs ?? Infinity)) {
    throw machineError(
      'timed-out',
      `${argv.join(' ')} did not exit within ${options.timeoutMs} ms`,
      'Run it by hand to see what it waits for.',
    );
  }
  const [stdout, stderr] = await output;
  return { code, signal, stdout, stderr, ms: performance.now() - started };
}

async function exitOf(child: ChildProcess, file: string): Promise<Pick<RunResult, 'code' | 'signal'>> {
  try {
    const [code, signal] = (await once(child, 'exit')) as [number | null, string | null];
    return { code, signal };
  } catch (cause) {
    throw (cause as NodeJS.ErrnoException).code === 'ENOENT'
      ? machineError(
          'missing-tool',
          `Program not found: ${file}`,
          `Install the package of ${file}, or add its directory to the PATH.`,
          cause,
        )
      : machineError(
          'process-failed',
          `Could not run ${file}: ${messageOf(cause)}`,
          'Check that it is executable, and that the limits allow another process.',
          cause,
        );
  }
}

/** No library: a network takes dozens of these, and a wrapper made each a third slower. */
function spawnIn(
  [file = '', ...args]: readonly string[],
  { netns, timeoutMs, shielded = false, tag }: CommandOptions,
): ChildProcessByStdio<Writable, Readable, Readable> {
  if (netns !== null && !netnsExists(netns)) throw bug(`No namespace ${netns} for ${file}`);
  return inNetns(netns, () =>
    spawn(file, args, {
      stdio: ['pipe', 'pipe', 'pipe'],
      // Programs parse the output of tools.
      env: { ...process.env, PATH: toolPath(), LC_ALL: 'C', ...(tag === undefined ? {} : { [TAG]: tag }) },
      detached: shielded,
      killSignal: 'SIGKILL',
      timeout: timeoutMs,
    }),
  );
}

type Command = Extract<Action, { kind: 'command' }>;

/**
 * A word that iproute2's `-batch` would parse differently from a shell: it splits, quotes and ends at `#`.
 */
const UNSAFE = /[\s"'#\\]|^$/;

/** The tools of iproute2; the others run one command per process. */
const BATCHING: readonly Command['tool'][] = ['ip', 'bridge', 'tc'];

export const fitsBatch = ({ tool, args }: Command): boolean =>
  BATCHING.includes(tool) && !args.some((word) => UNSAFE.test(word));

/** True when `next` may go to the process that runs `previous`. */
export const joins = (previous: Command, next: Command): boolean =>
  previous.tool === next.tool && previous.netns === next.netns && fitsBatch(previous) && fitsBatch(next);

export const batchInput = (commands: readonly { args: readonly string[] }[]): string =>
  commands.map((command) => `${command.args.join(' ')}\n`).join('');

/**
 * The index of the line that iproute2 reports as failed (`Command failed -:N`); null when it reports none.
 */
export function failedLine(stderr: string): number | null {
  const line = /^Command failed -:(?<line>\d+)$/m.exec(stderr)?.groups?.['line'];
  return line === undefined ? null : Number(line) - 1;
}
