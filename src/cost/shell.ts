import type { Action, Step } from '../schema/index.js';

/**
 * Prints a step as a line of shell, for a guest that is discarded afterwards and needs no journal. `home` is
 * the namespace of the host, in which steps on the host itself run.
 */
export function shellOf({ do: action, why }: Step, home: string | null): string {
  return `${lineOf(action, home)} || { echo ${quote(`could not: ${why}`)}; exit 1; }`;
}

function lineOf(action: Action, home: string | null): string {
  switch (action.kind) {
    case 'command':
      return inside(action.netns ?? home) + words([action.tool, ...action.args]);
    case 'sysctl': {
      const path = `/proc/sys/${action.key.replaceAll('.', '/')}`;
      return inside(action.netns ?? home) + words(['sh', '-c', `echo ${quote(action.value)} > ${path}`]);
    }
    case 'file':
      return `printf %s ${quote(action.content)} > ${quote(action.path)}`;
    case 'key':
      return `(umask 077; wg genkey > ${quote(action.path)})`;
    case 'directory':
      return words(['mkdir', '-p', action.path]);
    case 'process':
      // A list ends with its first command: the process continues in the background.
      return `{ ${inside(action.netns ?? home)}${words(action.argv)} & }`;
  }
}

/** Not `ip -n`, which has its own mounts: a namespace created there is invisible elsewhere. */
export const inside = (netns: string | null): string =>
  netns === null ? '' : `nsenter --net=/run/netns/${netns} `;

const words = (argv: readonly string[]): string => argv.map(quote).join(' ');

/** POSIX: within single quotes every character is literal except the single quote. */
const quote = (word: string): string =>
  /^[\w./:=@,+-]+$/.test(word) ? word : `'${word.replaceAll("'", `'\\''`)}'`;
