/**
 * Where a study runs: two hosts and a wire, the networks that are set up on them, and the check of the path.
 */
export type { Host, HostRole, PlannedHost, Testbed, TestbedKind, TestbedPlan } from './types.js';
export type { Pair } from './pair.js';
export {
  findOfferedNetwork,
  findTestbedKind,
  offeredNetworks,
  openTestbed,
  parseTestbed,
  planTestbed,
  registerTestbed,
  requireTestbed,
  testbedKinds,
  testbedUsage,
} from './registry.js';
export { hostNetns, hostsOf, wireSteps } from './netns/wire.js';
export { planPair, setUpNetwork, type ActiveNetwork } from './set-up.js';
export { checkPath, type PathReport } from './path-check.js';
export { probePathMtus, type PathMtus } from './path-mtus.js';
export { probeNetworks } from './probe.js';
