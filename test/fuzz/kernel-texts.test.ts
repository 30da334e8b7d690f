import { readFileSync } from 'node:fs';
import {
  idleTimesOf,
  parseIdleTimes,
  parseNetDev,
  parsePidStat,
  parseProtocolCounters,
  parseSoftnet,
  parseStat,
} from '../../src/linux/index.js';
import { normalizeSetting, parseCpuList, parseCpuMask, printCpuList } from '../../src/schema/index.js';
import { fuzz } from './fuzz.js';

/** What is not a number would be null in a record, which then counts as damaged. */
function requireNumbers(values: Iterable<unknown>): void {
  for (const value of values)
    if (typeof value === 'object' && value !== null) requireNumbers(Object.values(value));
    else if (!Number.isFinite(value)) throw new Error(`${String(value)} is not a number`);
}

const proc = (path: string): string => readFileSync(`/proc/${path}`, 'latin1');

fuzz({
  name: 'procfs',
  seeds: [
    'cpu  9 9 9 9 9 9 9 9 0 0\ncpu0 100 20 300 400 50 6 7 8 0 0\ncpu11 1 0 0 0 0 0 0 0 0 0\nintr 5\n',
    'cpu: 0\n clock 0:\n  .idle_sleeptime : 12 nsecs\ncpu: 1\n  .idle_sleeptime : 34 nsecs\n',
    '12 (a) b (c) S 1 1 1 0 -1 0 0 0 0 0 250 130 0 0 20 0 1',
    '0000000a 00000001 00000002\n00000010 00000000 00000001\n',
    ...['net/dev', 'net/snmp', 'net/netstat', 'self/stat', 'stat'].map(proc),
  ],
  feed: (text) => {
    requireNumbers(parseStat(text).values());
    requireNumbers(parseIdleTimes(idleTimesOf(text)).values());
    // NaN of a process that has ended.
    parsePidStat(text);
    requireNumbers(parseProtocolCounters(text).values());
    requireNumbers(parseNetDev(text).values());
    requireNumbers(parseSoftnet(text).values());
  },
});

fuzz({
  name: 'cpu-sets',
  seeds: ['0-8,18-26', '0-6:2/4', '0000000f,f803fe00', 'always [madvise] never', '4096\t131072\t6291456'],
  feed: (text) => {
    const list = parseCpuList(text);
    if (list !== null && String(parseCpuList(printCpuList(list))) !== String(list))
      throw new Error('a list reads otherwise than it prints');
    parseCpuMask(text);
    for (const path of ['/proc/irq/1/smp_affinity', '/sys/x/cpulist_list', '/proc/sys/net/ipv4/tcp_rmem'])
      if (normalizeSetting(path, normalizeSetting(path, text)) !== normalizeSetting(path, text))
        throw new Error(`${path}: a normal form is not normal`);
  },
});
