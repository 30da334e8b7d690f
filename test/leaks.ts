import { execFileSync } from 'node:child_process';
import { readdirSync, readlinkSync } from 'node:fs';

/** What a test run must leave as it found: by kind, the lines that tell one of them from another. */
export type MachineSnapshot = Readonly<Record<string, readonly string[]>>;

const lines = (argv: readonly [string, ...string[]]): string[] =>
  execFileSync(argv[0], argv.slice(1), { encoding: 'utf8' }).split('\n').filter(Boolean);
const folder = (path: string): string[] => {
  try {
    return readdirSync(path);
  } catch {
    return [];
  }
};
const ours = /nginx|barewire|agent\.mjs|qemu/;
const OWN_NETNS = readlinkSync('/proc/self/ns/net').replace(/\D/g, '');
/** Whether a process is in another network namespace, as a ping of a test is. Kernel threads have `[…]` as arguments. */
const isElsewhere = (netns: string, args: string): boolean =>
  /^\d+$/.test(netns) && netns !== OWN_NETNS && !args.startsWith('[');

export function snapshotMachine(): Promise<MachineSnapshot> {
  return Promise.resolve({
    namespaces: folder('/run/netns'),
    links: lines(['ip', '-o', 'link']).map((line) => line.split(':').slice(0, 2).join()),
    routes: lines(['ip', 'route', 'show', 'table', 'all']),
    rules: lines(['ip', 'rule']),
    processes: lines(['ps', '-eo', 'pid=,stat=,netns=,args='])
      .map((line) => /^\s*(\d+) +(\S+) +(\S+) (.*)/.exec(line)?.slice(1) ?? [])
      .filter(
        ([, stat = '', netns = '', args = '']) =>
          // A zombie has ended, unless `l` shows that other threads of it still run.
          !/^Z[^l]*$/.test(stat) && (ours.test(args) || isElsewhere(netns, args)),
      )
      .map(([pid, , , args]) => `${pid} ${args}`),
    journals: folder('/var/lib/barewire/journal'),
    runFiles: folder('/run/barewire'),
  });
}

/** Kernel and processes take a moment to let go: what is still there after two seconds is a leak. */
export async function assertNothingLeft(before: MachineSnapshot): Promise<void> {
  let left: string[] = [];
  for (let attempt = 0; attempt < 20; attempt++) {
    left = difference(before, await snapshotMachine());
    if (left.length === 0) return;
    await new Promise((resolve) => setTimeout(resolve, 100));
  }
  throw new Error(`The tests left this behind:\n  ${left.join('\n  ')}`);
}

const difference = (before: MachineSnapshot, after: MachineSnapshot): string[] =>
  Object.entries(after).flatMap(([kind, found]) => [
    ...found.filter((line) => !before[kind]?.includes(line)).map((line) => `new ${kind}: ${line}`),
    ...(before[kind] ?? []).filter((line) => !found.includes(line)).map((line) => `gone ${kind}: ${line}`),
  ]);
