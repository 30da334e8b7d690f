import { readdirSync, readFileSync } from 'node:fs';

/** Parsers of procfs text. Pure: the text may come from any host. */

/** CPU time in seconds since boot, by kind. `user` includes nice, `idle` includes iowait. */
export interface CpuTimes {
  readonly user: number;
  readonly system: number;
  readonly idle: number;
  readonly irq: number;
  readonly softirq: number;
  readonly steal: number;
}

/** The kernel counts in USER_HZ, which is 100 on every supported architecture except alpha. */
const TICK_S = 0.01;

/** /proc/stat → times by CPU number (Documentation/filesystems/proc.rst, 1.7). */
export function parseStat(text: string): ReadonlyMap<number, CpuTimes> {
  const cpus = new Map<number, CpuTimes>();
  for (const [, cpu, rest] of text.matchAll(/^cpu(\d+) ([\d ]*)$/gm)) {
    const [user = 0, nice = 0, system = 0, idle = 0, iowait = 0, irq = 0, softirq = 0, steal = 0] = (
      rest ?? ''
    )
      .split(' ')
      .map((ticks) => Number(ticks) * TICK_S);
    cpus.set(Number(cpu), { user: user + nice, system, idle: idle + iowait, irq, softirq, steal });
  }
  return cpus;
}

/** Root only. It has the idle time of each CPU in ns where the clock is tickless (kernel/time/timer_list.c). */
export const TIMER_LIST = '/proc/timer_list';

/** The lines of /proc/timer_list with idle times: on a large machine the file has a megabyte. */
export const idleTimesOf = (text: string): string =>
  text
    .split('\n')
    .filter((line) => /^cpu: \d+|^\s+\.idle_sleeptime/.test(line))
    .join('\n');

/** /proc/timer_list → ns in which each CPU was idle, since boot. Without the idle period that lasts. */
export function parseIdleTimes(text: string): ReadonlyMap<number, number> {
  const found = text.matchAll(/^cpu: (\d+)\n\s+\.idle_sleeptime\s*: (\d+) nsecs$/gm);
  return new Map([...found].map(([, cpu, ns]) => [Number(cpu), Number(ns)]));
}

/** /proc/PID/stat → CPU seconds of the process; fields 14 and 15, after the name in parentheses. */
export function parsePidStat(text: string): { readonly user: number; readonly system: number } {
  const fields = text.slice(text.lastIndexOf(')') + 2).split(' ');
  return { user: Number(fields[11]) * TICK_S, system: Number(fields[12]) * TICK_S };
}

/** /proc/net/snmp or /proc/net/netstat (pairs of lines, names then values) → `Tcp.RetransSegs` → count. */
export function parseProtocolCounters(text: string): ReadonlyMap<string, number> {
  const counters = new Map<string, number>();
  const lines = text.split('\n');
  for (let i = 0; i + 1 < lines.length; i += 2) {
    const [prefix = '', ...names] = (lines[i] ?? '').split(' ');
    const [, ...values] = (lines[i + 1] ?? '').split(' ');
    names.forEach((name, at) => setCounter(counters, `${prefix.slice(0, -1)}.${name}`, values[at]));
  }
  return counters;
}

/** A torn line has fewer values than names. A counter that is absent is not zero, and NaN would damage a record. */
function setCounter(counters: Map<string, number>, name: string, text: string | undefined): void {
  if (text !== undefined && /^-?\d+$/.test(text)) counters.set(name, Number(text));
}

/** /proc/net/tcp or /proc/net/tcp6 → the ports of sockets in the state LISTEN (0A), ascending. */
export function listeningPorts(text: string): number[] {
  const found = text.matchAll(/^\s*\d+: [0-9A-F]+:([0-9A-F]{4}) \S+ 0A /gm);
  return [...new Set([...found].map(([, port = '']) => Number.parseInt(port, 16)))].sort((a, b) => a - b);
}

const RECEIVED = ['rx_bytes', 'rx_packets', 'rx_errors', 'rx_dropped'];
const SENT = ['tx_bytes', 'tx_packets', 'tx_errors', 'tx_dropped'];

/** /proc/net/dev → `eth0.tx_packets` → count. */
export function parseNetDev(text: string): ReadonlyMap<string, number> {
  const counters = new Map<string, number>();
  for (const [, link = '', rest = ''] of text.matchAll(/^\s*([^\s:|]+):\s*(.*)$/gm)) {
    const values = rest.trim().split(/\s+/);
    RECEIVED.forEach((name, at) => setCounter(counters, `${link}.${name}`, values[at]));
    SENT.forEach((name, at) => setCounter(counters, `${link}.${name}`, values[8 + at]));
  }
  return counters;
}

/** /proc/net/softnet_stat (hexadecimal, one line per CPU) → packets, drops and squeezes of all CPUs. */
export function parseSoftnet(text: string): ReadonlyMap<string, number> {
  const rows = text
    .trim()
    .split('\n')
    .filter((line) => /^[\da-f]+(?:\s+[\da-f]+)*\s*$/i.test(line))
    .map((line) => line.split(/\s+/).map((word) => Number.parseInt(word, 16)));
  const sum = (column: number): number => rows.reduce((total, row) => total + (row[column] ?? 0), 0);
  return new Map([
    ['softnet.processed', sum(0)],
    ['softnet.dropped', sum(1)],
    ['softnet.time_squeeze', sum(2)],
  ]);
}

/** /proc/net/stat/nf_conntrack (hexadecimal, one line per CPU below their names) → what a full table of connections dropped. */
export function parseConntrack(text: string): ReadonlyMap<string, number> {
  const [names = [], ...rows] = text
    .trim()
    .split('\n')
    .map((line) => line.trim().split(/\s+/));
  const sum = (name: string): number => {
    const column = names.indexOf(name);
    return rows.reduce(
      (total, row) => total + (column === -1 ? 0 : Number.parseInt(row[column] ?? '0', 16)),
      0,
    );
  };
  if (rows.length === 0) return new Map();
  return new Map([
    ['conntrack.dropped', sum('drop')],
    ['conntrack.early_dropped', sum('early_drop')],
  ]);
}

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

/** Those of these programs that run, by the name that the kernel has of them. */
export const runningPrograms = (names: readonly string[]): ReadonlySet<string> =>
  new Set(
    listPids()
      .map((pid) => readOfProcess(pid, 'comm').trim())
      .filter((name) => names.includes(name)),
  );

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
function readOfProcess(pid: number, file: 'environ' | 'cmdline' | 'comm'): string {
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
