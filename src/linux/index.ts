/** The only module with kernel constants: direct system calls, procfs and sysfs readers, feature probes. */
export { SyscallError } from './libc.js';
export {
  parseNetDev,
  parsePidStat,
  parseProtocolCounters,
  parseSoftnet,
  parseStat,
  type CpuTimes,
} from './procfs.js';
export { enterNetns, inNetns, inScratchNetns, netnsExists, netnsPath, unmountNetns } from './netns.js';
export { linkExists, routeExists } from './link.js';
export { tryFlock } from './flock.js';
export {
  pidsWithVariable,
  readBootId,
  readProcess,
  readProcessTexts,
  sessionMembers,
  type ProcessEntry,
} from './process-table.js';
export { pinThread, setTimerSlack } from './affinity.js';
export { MonotonicClock, monotonicEpochS, threadCpuTime, type CpuTime } from './clock.js';
export { Epoll, EPOLLOUT } from './epoll.js';
export { errnoName, lastErrno } from './libc.js';
export {
  raiseOwnSessionPriority,
  raiseSessionPriority,
  raiseThreadPriority,
  setShortTimeSlice,
} from './priority.js';
export { mapMemory, type NativeMemory } from './memory.js';
export { allowOpenFiles, unshareFiles } from './limits.js';
export {
  bindSource,
  chooseSourceLate,
  closeByReset,
  closeFd,
  connectTo,
  EAGAIN,
  EINPROGRESS,
  receive,
  send,
  socketAddress,
  socketError,
  tcpSocket,
  withPort,
  type SocketAddress,
} from './socket.js';
export { probeLinkTypes, type LinkTypeAnswer } from './link-probe.js';
export { readEnvironment } from './environment.js';
