import type { Action } from '../schema/index.js';

type Command = Extract<Action, { kind: 'command' }>;

/**
 * A word that iproute2's `-batch` would parse differently from a shell: it splits, quotes and ends at `#`.
 */
const UNSAFE = /[\s"'#\\]|^$/;

/** `wg` runs one command per process. */
export const fitsBatch = ({ tool, args }: Command): boolean =>
  tool !== 'wg' && !args.some((word) => UNSAFE.test(word));

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
