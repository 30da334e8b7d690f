import type { Action, Step } from '../schema/index.js';

/**
 * The line of shell that takes a step in a guest that is thrown away afterwards, and so needs no journal. `home` is the namespace
 * that stands for the host: what a step does on its host itself is done there.
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
      // A list ends with its first command: the process runs on beside what follows.
      return `{ ${inside(action.netns ?? home)}${words(action.argv)} & }`;
  }
}

/** Not `ip -n`: that has mounts of its own, in which a namespace that it makes is seen by nobody else. */
export const inside = (netns: string | null): string =>
  netns === null ? '' : `nsenter --net=/run/netns/${netns} `;

const words = (argv: readonly string[]): string => argv.map(quote).join(' ');

/** POSIX: within single quotes every character is itself but the single quote. */
const quote = (word: string): string =>
  /^[\w./:=@,+-]+$/.test(word) ? word : `'${word.replaceAll("'", `'\\''`)}'`;
