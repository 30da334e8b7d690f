/** The only module with kernel constants: direct system calls, procfs and sysfs readers, feature probes. */
export { SyscallError } from './libc.js';
export {
  parseConntrack,
  parseNetDev,
  parsePidStat,
  parseProtocolCounters,
  parseSoftnet,
  idleTimesOf,
  listeningPorts,
  parseIdleTimes,
  parseStat,
  TIMER_LIST,
  type CpuTimes,
  pidsWithVariable,
  readBootId,
  readProcess,
  readProcessTexts,
  runningPrograms,
  sessionMembers,
  type ProcessEntry,
} from './procfs.js';
export { enterNetns, inNetns, inNetnsAt, netnsExists, netnsPath, unmountNetns } from './netns.js';
export { linkExists, routeExists, probeLinkTypes } from './links.js';
export { makeFifo } from './fifo.js';
export { tryFlock } from './flock.js';
export {
  pinThread,
  setTimerSlack,
  setHighOwnSessionPriority,
  setHighSessionPriority,
  setHighThreadPriority,
  setObserverPriority,
  setShortTimeSlice,
} from './scheduling.js';
export { MonotonicClock, monotonicEpochS, threadCpuTime, type CpuTime } from './clock.js';
export { Epoll, EPOLLOUT } from './epoll.js';
export { errnoName, lastErrno } from './libc.js';
export { mapMemory } from './memory.js';
export { allowOpenFiles, openFileLimits, unshareFiles } from './limits.js';
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
export { isFiltered, missingCapabilities } from './capabilities.js';
export { findThrottling, parseThrottling, readCpuQuota, type CpuQuota } from './cpu-quota.js';
export { CLOCK_SOURCE, isSlowClock, readEnvironment } from './environment.js';
export { readTopology } from './topology/read.js';
export { Message, Netlink, NetlinkError } from './netlink.js';
export { parseAttributes } from './netlink-attributes.js';
export { NetlinkMonitor, type KernelEvent } from './netlink-monitor.js';
export { keyBytes, WireguardNetlink, type KernelWireguardPeer } from './wireguard.js';
export { readKernelState, readLinks, type KernelLink, type KernelState } from './kernel-state.js';
export {
  delLink,
  delLinkGroup,
  getLink,
  newLink,
  setAlias,
  setLink,
  type LinkChange,
} from './link-messages.js';
export { changeAddress, changeForwarding, changeNeighbour, changeRoute, getRoute } from './route-messages.js';
export { RTA } from './rtnetlink.js';
