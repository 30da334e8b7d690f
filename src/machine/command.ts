import { execa } from 'execa';
import { inNetns } from '../linux/index.js';
import { BarewireError } from '../schema/index.js';
import type { RunResult } from './types.js';

/** Root's tools are here even where a login gave a PATH without them. */
export const toolPath = (): string => `${process.env['PATH'] ?? '/usr/bin:/bin'}:/usr/sbin:/sbin`;

export interface CommandOptions {
  readonly netns: string | null;
  readonly input?: string | undefined;
  readonly timeoutMs?: number | undefined;
}

/**
 * Runs a program to its end in a namespace. A non-zero exit is a result. Throws `missing-tool` when there is no such
 * program, `timed-out` when it took longer than `timeoutMs` and was killed.
 */
export async function runCommand(argv: readonly string[], options: CommandOptions): Promise<RunResult> {
  const [file = '', ...args] = argv;
  const started = performance.now();
  // The spawn itself happens before this returns, and so in the namespace.
  const child = inNetns(options.netns, () =>
    execa(file, args, {
      input: options.input ?? '',
      timeout: options.timeoutMs ?? 0,
      env: { PATH: toolPath(), LC_ALL: 'C' },
      killSignal: 'SIGKILL',
      stripFinalNewline: false,
      reject: false,
    }),
  );
  const result = await child;
  if (result.timedOut) throw timedOut(argv, options.timeoutMs ?? 0);
  if (result.code === 'ENOENT') throw missingTool(file, result.cause);
  const { exitCode = null, signal = null, stdout, stderr } = result;
  return { code: exitCode, signal, stdout, stderr, ms: performance.now() - started };
}

const timedOut = (argv: readonly string[], timeoutMs: number): BarewireError =>
  new BarewireError(`${argv.join(' ')} did not end within ${timeoutMs} ms`, {
    code: 'timed-out',
    fault: 'machine',
    hint: 'Run it by hand to see what it waits for.',
  });

const missingTool = (file: string, cause: unknown): BarewireError =>
  new BarewireError(`There is no program ${file} on this machine`, {
    code: 'missing-tool',
    fault: 'machine',
    hint: `Install the package that has ${file}, or put it into the PATH.`,
    cause,
  });
