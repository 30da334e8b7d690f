/** The only room that touches the kernel: direct system calls, procfs and sysfs readers, feature probes. */
export { SyscallError } from './libc.js';
export {
  parseNetDev,
  parsePidStat,
  parseProtocolCounters,
  parseSoftnet,
  parseStat,
  type CpuTimes,
} from './procfs.js';
export { inNetns, inScratchNetns, netnsExists, netnsPath, unmountNetns } from './netns.js';
export { linkExists, routeExists } from './link.js';
export { tryFlock } from './flock.js';
export {
  readBootId,
  readProcess,
  readProcessTexts,
  sessionMembers,
  type ProcessEntry,
} from './process-table.js';
