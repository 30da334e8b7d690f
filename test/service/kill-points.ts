import { readFileSync } from 'node:fs';

/** A system call at which strace can kill a program: before the `when`-th one of its name in a thread. */
export interface KillPoint {
  readonly call: string;
  readonly when: number;
  /** What it would have done. */
  readonly what: string;
}

const TRACED = 'write,writev,rename,unlink,mkdir';
/** One thread for files, so that its calls have one order. With --seccomp-bpf, strace 6.1 loses the signal. */
const STRACE = ['env', 'UV_THREADPOOL_SIZE=1', 'strace', '-f', '-qq', '-x', '-yy', '-s', '40'];

/** The program that lists the system calls of one into a file. */
export const listing = (file: string): string[] => [...STRACE, '-o', file, '-e', `trace=${TRACED}`];

/** The program that kills one at a point. */
export const killing = ({ call, when }: KillPoint): string[] => [
  ...STRACE,
  ...['-o', '/dev/null', '-e', `trace=${call}`, '-e', `inject=${call}:signal=SIGKILL:when=${when}`],
];

/** The points of a listing before which something else has changed than before the last one. */
export function killPoints(file: string): KillPoint[] {
  const counts = new Map<string, number>();
  const points: KillPoint[] = [];
  for (const line of readFileSync(file, 'latin1').split('\n')) {
    const [, thread, call, rest] = /^(\d+) +(\w+)\((.*)/.exec(line) ?? [];
    if (thread === undefined || call === undefined || rest === undefined) continue;
    const when = (counts.get(`${thread} ${call}`) ?? 0) + 1;
    counts.set(`${thread} ${call}`, when);
    const what = effectOf(call, rest);
    if (what !== null) points.push({ call, when, what });
  }
  return points;
}

/** Null for what changes nothing: wake-ups of threads, the log, questions to the kernel and to etcd. */
function effectOf(call: string, rest: string): string | null {
  if (call === 'writev') return /POST (\/v3\/(?:kv\/txn|lease)\S*)/.exec(rest)?.[1] ?? null;
  // One of a hundred alike.
  if (call === 'unlink' && /reply\.\d+"/.test(rest)) return null;
  if (call !== 'write') return `${call} ${rest.replace(/.*\/([\w.]+)".*/, '$1')}`;
  if (/^\d+<\/proc\/sys/.test(rest)) return 'setting';
  if (/^\d+<UNIX.*?"table \S+ \S+ \{\}/.test(rest)) return 'rules';
  const bytes = /^\d+<NETLINK.*?"((?:\\x[0-9a-f]{2})+)"/.exec(rest)?.[1]?.split('\\x').slice(1) ?? [];
  // struct nlmsghdr. Of each four types, the third asks.
  const type = parseInt(bytes[4] ?? '', 16);
  return Number.isNaN(type) || type % 4 === 2 ? null : `netlink ${type}`;
}
