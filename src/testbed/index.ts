/** Where a study runs: two hosts on a wire, networks raised on them, and the proof that packets take the network's path. */
export type { Host, HostRole, Testbed, TestbedOptions, Wire } from './types.js';
export { openTestbed } from './open.js';
export { hostNetns, hostsOf, plannedHosts, wireSteps } from './netns/wire.js';
export { raise, type RaisedNetwork } from './raise.js';
export { checkPath, type PathReport } from './path-check.js';
export { probeReach, type Reach } from './reach.js';
export { type DeviceCount } from './path.js';
export { probeNetworks } from './probe.js';
export { bootLoneGuest, GUEST_SHARE, type LoneGuest } from './vm/lone-guest.js';
