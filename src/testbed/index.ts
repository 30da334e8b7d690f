/** Where a study runs: two hosts on a wire, networks raised on them, and the proof that packets take the network's path. */
export type { Host, HostRole, Testbed, TestbedOptions, Wire } from './types.js';
export { openTestbed } from './open.js';
export { hostNetns, hostsOf, plannedHosts, wireSteps } from './netns/wire.js';
export { setUpNetwork, type ActiveNetwork } from './set-up.js';
export { checkPath, type PathReport } from './path-check.js';
export { probePathMtus, type PathMtus } from './path-mtus.js';
export { type DeviceCount } from './path.js';
export { probeNetworks } from './probe.js';
export { bootSingleGuest, GUEST_SHARE, type SingleGuest } from '../guest/single-guest.js';
