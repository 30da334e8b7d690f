import { readdirSync, readFileSync } from 'node:fs';

/** A process as /proc/PID/stat shows it. Pid and start time (ticks since boot) together identify a process. */
export interface ProcessEntry {
  readonly pid: number;
  readonly session: number;
  readonly startTime: number;
  /**
   * False when every thread has ended. A killed process whose leader is a zombie still counts as running while another of its
   * threads is inside a system call: that call completes, and may still change files.
   */
  readonly running: boolean;
}

/** Null when there is no such process. */
export function readProcess(pid: number): ProcessEntry | null {
  const stat = readStat(`/proc/${pid}`);
  if (stat === null) return null;
  const { session, startTime } = stat;
  return { pid, session, startTime, running: !stat.ended || liveThreads(pid).length > 0 };
}

/** The running processes of a session. */
export const sessionMembers = (session: number): readonly ProcessEntry[] =>
  listPids()
    .map(readProcess)
    .filter((entry) => entry !== null)
    .filter((entry) => entry.session === session && entry.running);

/** The running processes that were started with this variable in their environment. */
export const pidsWithVariable = (name: string, value: string): readonly number[] =>
  listPids().filter((pid) => `\0${readOfProcess(pid, 'environ')}`.includes(`\0${name}=${value}\0`));

/** A process's environment and current command line, each joined by spaces; empty when it has ended. */
export const readProcessTexts = (pid: number): { environ: string; cmdline: string } => ({
  environ: readOfProcess(pid, 'environ').replaceAll('\0', ' '),
  cmdline: readOfProcess(pid, 'cmdline').replaceAll('\0', ' '),
});

/** The kernel's random id of this boot. */
export const readBootId = (): string => readFileSync('/proc/sys/kernel/random/boot_id', 'latin1').trim();

const listPids = (): number[] =>
  readdirSync('/proc')
    .filter((name) => /^\d+$/.test(name))
    .map(Number);

function liveThreads(pid: number): string[] {
  try {
    return readdirSync(`/proc/${pid}/task`)
      .map((thread) => `/proc/${pid}/task/${thread}`)
      .filter((path) => readStat(path)?.ended === false);
  } catch {
    return [];
  }
}

function readStat(path: string): { ended: boolean; session: number; startTime: number } | null {
  const text = readOrNull(`${path}/stat`);
  if (text === null) return null;
  // The name in parentheses may contain spaces and parentheses: fields count from the last one.
  const fields = text.slice(text.lastIndexOf(')') + 2).split(' ');
  return {
    ended: /^[ZXx]$/.test(fields[0] ?? ''),
    session: Number(fields[3]),
    startTime: Number(fields[19]),
  };
}

/** Reads through a live thread where the leader has ended: the kernel drops a thread's memory map when that thread exits. */
function readOfProcess(pid: number, file: 'environ' | 'cmdline'): string {
  const text = readOrNull(`/proc/${pid}/${file}`) ?? '';
  if (text !== '') return text;
  const [thread] = liveThreads(pid);
  return thread === undefined ? '' : (readOrNull(`${thread}/${file}`) ?? '');
}

function readOrNull(path: string): string | null {
  try {
    return readFileSync(path, 'latin1');
  } catch {
    // The process ended after it was listed.
    return null;
  }
}
