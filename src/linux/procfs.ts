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
  for (const [, cpu, rest] of text.matchAll(/^cpu(\d+) (.*)$/gm)) {
    const [user = 0, nice = 0, system = 0, idle = 0, iowait = 0, irq = 0, softirq = 0, steal = 0] = (
      rest ?? ''
    )
      .split(' ')
      .map((ticks) => Number(ticks) * TICK_S);
    cpus.set(Number(cpu), { user: user + nice, system, idle: idle + iowait, irq, softirq, steal });
  }
  return cpus;
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
    const values = (lines[i + 1] ?? '').split(' ').slice(1);
    names.forEach((name, at) => counters.set(`${prefix.slice(0, -1)}.${name}`, Number(values[at])));
  }
  return counters;
}

const RECEIVED = ['rx_bytes', 'rx_packets', 'rx_errors', 'rx_dropped'];
const SENT = ['tx_bytes', 'tx_packets', 'tx_errors', 'tx_dropped'];

/** /proc/net/dev → `eth0.tx_packets` → count. */
export function parseNetDev(text: string): ReadonlyMap<string, number> {
  const counters = new Map<string, number>();
  for (const [, link = '', rest = ''] of text.matchAll(/^\s*([^\s:|]+):\s*(.*)$/gm)) {
    const values = rest.trim().split(/\s+/).map(Number);
    RECEIVED.forEach((name, at) => counters.set(`${link}.${name}`, values[at] ?? 0));
    SENT.forEach((name, at) => counters.set(`${link}.${name}`, values[8 + at] ?? 0));
  }
  return counters;
}

/** /proc/net/softnet_stat (hexadecimal, one line per CPU) → packets, drops and squeezes of all CPUs. */
export function parseSoftnet(text: string): ReadonlyMap<string, number> {
  const rows = text
    .trim()
    .split('\n')
    .map((line) => line.split(/\s+/).map((word) => Number.parseInt(word, 16)));
  const sum = (column: number): number => rows.reduce((total, row) => total + (row[column] ?? 0), 0);
  return new Map([
    ['softnet.processed', sum(0)],
    ['softnet.dropped', sum(1)],
    ['softnet.time_squeeze', sum(2)],
  ]);
}
