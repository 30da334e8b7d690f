import { readdirSync, readFileSync } from 'node:fs';

/** A process as /proc/PID/stat tells it. The start time (ticks since boot) tells a process from a later one with its pid. */
export interface ProcessEntry {
  readonly pid: number;
  readonly session: number;
  readonly startTime: number;
  /** It has ended, and only its parent has not looked yet. */
  readonly zombie: boolean;
}

/** Null when there is no such process. */
export function readProcess(pid: number): ProcessEntry | null {
  const text = readOrNull(`/proc/${pid}/stat`);
  return text === null ? null : parseStat(pid, text);
}

/** Everything that runs in a session, without zombies. */
export function sessionMembers(session: number): readonly ProcessEntry[] {
  return readdirSync('/proc')
    .filter((name) => /^\d+$/.test(name))
    .map((name) => readProcess(Number(name)))
    .filter((entry) => entry !== null)
    .filter((entry) => entry.session === session && !entry.zombie);
}

/** The processes that were started with this variable in their environment, as long as they have memory at all. */
export const pidsWithVariable = (name: string, value: string): readonly number[] =>
  readdirSync('/proc')
    .filter((pid) => /^\d+$/.test(pid))
    .map(Number)
    .filter((pid) => `\0${readOrNull(`/proc/${pid}/environ`) ?? ''}`.includes(`\0${name}=${value}\0`));

/** The process's environment and its command line as it stands now, each joined by spaces; empty when it is gone. */
export const readProcessTexts = (pid: number): { environ: string; cmdline: string } => ({
  environ: nulsToSpaces(readOrNull(`/proc/${pid}/environ`)),
  cmdline: nulsToSpaces(readOrNull(`/proc/${pid}/cmdline`)),
});

/** The kernel's random id of this boot. */
export const readBootId = (): string => readFileSync('/proc/sys/kernel/random/boot_id', 'latin1').trim();

function parseStat(pid: number, text: string): ProcessEntry {
  // The name in parentheses may hold spaces and parentheses itself: fields count from the last one.
  const fields = text.slice(text.lastIndexOf(')') + 2).split(' ');
  return { pid, session: Number(fields[3]), startTime: Number(fields[19]), zombie: fields[0] === 'Z' };
}

function readOrNull(path: string): string | null {
  try {
    return readFileSync(path, 'latin1');
  } catch {
    // It ended between being listed and being read.
    return null;
  }
}

const nulsToSpaces = (text: string | null): string => (text ?? '').replaceAll('\0', ' ');
