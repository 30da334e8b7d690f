/** Backends, attachments and the catalog that combines them: hosts and peers → steps. Pure. */
export type {
  Claim,
  GivenNetwork,
  PlannedNetwork,
  Container,
  HostPlan,
  NetworkHost,
  Network,
  Attachment,
  Backend,
  ContainerPlan,
  HostView,
  KernelChange,
  NetworkChange,
  NetworkRequest,
  PathKind,
  Requirement,
  PathDevice,
} from './types.js';
export { PATH_KINDS } from './types.js';
export {
  CATALOG,
  dockerNetworkNames,
  findDockerNetwork,
  findNetwork,
  findNameOf,
  findPairing,
  needsVpc,
  networkNames,
} from './catalog.js';
export { BUNDLE_MOUNT, sharedFolder, type ContainerEngine } from './docker/engine.js';
export { daemonSteps, dataRootStep, socketOf, type DaemonPlace } from './docker/daemon.js';
export { subnetOf } from './addressing.js';
export { addressToNumber, numberToAddress } from './ip-number.js';
export { singleOf, versionOf, type IpVersion } from './ip-version.js';
export { localMac, bindSymbols, publicKeySymbol, RUN_SYMBOL, type Bindings } from './symbols.js';
export { countSetupSteps } from './setup-steps.js';
export { support } from './support.js';
export { pinCongestionControl } from './commands.js';
export { inKernel, isKernelChange } from './changes.js';
export { backendChanges } from './planned-network.js';
export { awsVpc } from './backend/aws-vpc.js';
export { hostGw } from './backend/host-gw.js';
export { ipipBackend } from './backend/ipip.js';
export { vxlanBackend, vxlanDevice, VXLAN_DEFAULTS } from './backend/vxlan.js';
export { wireguardBackend, WIREGUARD_DEFAULTS, type WireguardOptions } from './backend/wireguard.js';
export { bridge } from './attachment/bridge.js';
export { ipvlanL2, ipvlanL3, ipvlanL3s } from './attachment/ipvlan.js';
export { macvlan } from './attachment/macvlan.js';
export { ptp } from './attachment/ptp.js';
export { isOnSegment } from './segment.js';
