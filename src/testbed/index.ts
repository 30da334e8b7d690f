export { AGENT } from './bundle.js';
export { DEPLOYED } from './ssh/deployed.js';
export { DEFAULT_IMAGES } from './kubernetes/options.js';
export { both, onBothHosts } from './types.js';
export type {
  Host,
  HostRole,
  NetworkUse,
  Placement,
  ObservedPath,
  PlacedServer,
  PlannedHost,
  RegisteredTestbed,
  Testbed,
  TestbedKind,
  TestbedPlan,
  Pair,
} from './types.js';
export { readNicFacts } from './nic.js';
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
  withDescribedNetworks,
  withOptions,
} from './registry.js';
export { hostNetns } from './netns/names.js';
export { hostsOf, wireSteps } from './netns/wire.js';
export { planPair, setUpNetwork, type ActiveNetwork } from './set-up.js';
export { checkPath, type PathReport } from './path-check.js';
export { probePathMtus, type PathMtus } from './path-mtus.js';
export { probeNetworks } from './probe.js';
export { openSshHost } from './ssh/open.js';
export { findDockerEffects } from './docker/effects.js';
export { rolesFor } from './kubernetes/rights.js';
export { DRY_RUN } from './kubernetes/dry-run.js';
export type { ClusterPlan } from './kubernetes/cluster-plan.js';
