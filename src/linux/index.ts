/** The only room that touches the kernel: direct system calls, procfs and sysfs readers, feature probes. */
export { SyscallError } from './libc.js';
export { parseNetDev, parsePidStat, parseProtocolCounters, parseSoftnet, parseStat, type CpuTimes } from './procfs.js';
