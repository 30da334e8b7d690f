/** Backends, attachments and the catalog that combines them: hosts and peers → steps. Pure. */
export type {
  Claim,
  GivenNetwork,
  PlannedNetwork,
  Container,
  HostPlan,
  NetworkHost,
  Network,
  NetworkRequest,
  PathKind,
  Requirement,
  PathDevice,
} from './types.js';
export { PATH_KINDS } from './types.js';
export { CATALOG, dockerNetworkNames, findDockerNetwork, findNetwork, networkNames } from './catalog.js';
export { BUNDLE_MOUNT, sharedFolder, type ContainerEngine } from './docker/engine.js';
export { daemonSteps, dataRootStep, socketOf, type DaemonPlace } from './docker/daemon.js';
export { versionOf, type IpVersion } from './ip-version.js';
export { localMac, bindSymbols, publicKeySymbol, RUN_SYMBOL, type Bindings } from './symbols.js';
export { countSetupSteps } from './setup-steps.js';
export { support } from './support.js';
export { pinCongestionControl } from './commands.js';
