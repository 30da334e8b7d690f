import type { Machine } from '../machine/index.js';

/** Thousands of connections of one server have opened alike: some of them show what all have. */
const SHOWN = 200;
/** Two lines for each. */
const READ = `ss -tinH state established "$0" = ":$1" | head -n ${2 * SHOWN}`;

/**
 * The congestion controls of the open connections of a load, by name: a route may say one that connections, which were opened
 * before, do not have. Empty where none is open.
 *
 * @param port of the server: the local port of its connections, and the remote one of the client's
 */
export async function readCongestionControls(
  machine: Machine,
  netns: string | null,
  side: 'sport' | 'dport',
  port: number,
): Promise<readonly string[]> {
  const { code, stdout } = await machine.run(['sh', '-c', READ, side, String(port)], { netns });
  return code === 0 ? parseCongestionControls(stdout) : [];
}

/** Of `ss -ti`: below a line of addresses, an indented one has flags, the name, and figures of the form `name:value`. */
export function parseCongestionControls(text: string): readonly string[] {
  const names = text.split('\n').flatMap((line) => {
    if (!/^\s/.test(line)) return [];
    const words = line.trim().split(/\s+/);
    return words[words.findIndex((word) => word.includes(':')) - 1] ?? [];
  });
  return [...new Set(names)].sort();
}
