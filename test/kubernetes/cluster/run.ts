import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { text } from 'node:stream/consumers';

export interface CommandOutput {
  readonly code: number | null;
  readonly stdout: string;
  readonly stderr: string;
}

/** Runs a program to its end. A non-zero exit is a result. */
export async function output(argv: readonly string[], input?: string): Promise<CommandOutput> {
  const [program, ...args] = argv;
  const child = spawn(program ?? '', args, { stdio: 'pipe' });
  // A program that does not read its input may end before it is written.
  child.stdin.on('error', () => undefined).end(input);
  const [stdout, stderr, [code]] = await Promise.all([
    text(child.stdout),
    text(child.stderr),
    once(child, 'close') as Promise<[number | null]>,
  ]);
  return { code, stdout, stderr };
}

/** Runs a program to its end. Throws when it fails. */
export async function succeed(argv: readonly string[], input?: string): Promise<string> {
  const { code, stdout, stderr } = await output(argv, input);
  if (code !== 0) throw new Error(`${argv.join(' ')} exited with ${code}: ${stderr}`);
  return stdout;
}
