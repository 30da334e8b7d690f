import type { Action } from '../schema/index.js';

type Command = Extract<Action, { kind: 'command' }>;

/** Consecutive commands that one process of the tool can take, with the place of the first among all. */
export interface Batch {
  readonly at: number;
  readonly commands: readonly Command[];
}

/** A word that iproute2's `-batch` would read otherwise than a shell passes it: it splits, quotes and cuts at `#`. */
const UNSAFE = /[\s"'#\\]|^$/;

/** `wg` takes one command a process. */
export const fitsBatch = ({ tool, args }: Command): boolean =>
  tool !== 'wg' && !args.some((word) => UNSAFE.test(word));

/** True when `next` may go to the process that takes `previous`. */
export const joins = (previous: Command, next: Command): boolean =>
  previous.tool === next.tool && previous.netns === next.netns && fitsBatch(previous) && fitsBatch(next);

export const batchInput = (commands: readonly { args: readonly string[] }[]): string =>
  commands.map((command) => `${command.args.join(' ')}\n`).join('');

/** The index of the line that iproute2 says failed (`Command failed -:N`); null where it does not say. */
export function failedLine(stderr: string): number | null {
  const line = /^Command failed -:(?<line>\d+)$/m.exec(stderr)?.groups?.['line'];
  return line === undefined ? null : Number(line) - 1;
}
