import { bug, printTable, type Action, type Step } from '../schema/index.js';

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
    case 'setting': {
      const write = `echo ${quote(action.value)} > ${action.path}`;
      // A mount of sysfs shows the devices of the namespace in which it was made.
      return action.path.startsWith('/sys/class/net/')
        ? `${inside(action.netns ?? home)}unshare -m ${words(['sh', '-c', `mount -t sysfs sysfs /sys && ${write}`])}`
        : inside(action.netns ?? home) + words(['sh', '-c', write]);
    }
    case 'feature':
      return (
        inside(action.netns ?? home) + words(['ethtool', '-K', action.link, action.feature, action.value])
      );
    case 'nftables':
      return inside(action.netns ?? home) + words(['nft', printTable(action)]);
    case 'file':
      return `printf %s ${quote(action.content)} > ${quote(action.path)}`;
    case 'key':
      return `(umask 077; wg genkey > ${quote(action.path)})`;
    case 'directory':
      return words(['mkdir', '-p', action.path]);
    case 'cgroup':
    case 'container-netns':
    case 'image':
      throw bug(`the guest has no Docker for ${action.kind}`);
    case 'cni':
      throw bug('the guest has no node agent');
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
