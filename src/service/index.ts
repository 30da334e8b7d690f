/** The node agent: a node of a flannel network. */
export { adoptionOf, type Adoption } from './adopt.js';
export { planAdoption, type AdoptionGoal, type AdoptionStep } from './adoption-steps.js';
export {
  hasSystemd,
  readAdoptionState,
  takeAdoptionStep,
  untilHealthy,
  type AdoptionPlaces,
} from './apply-adoption.js';
export { ATTACHMENTS, type AttachmentName } from './attachments.js';
export { askNode, askStatus, serveNode } from './http.js';
export { installPlugin, pluginFiles, uninstallPlugin } from './install.js';
export { ENVIRONMENT_PATH, printEnvironment, printUnit, UNIT, UNIT_PATH } from './systemd-unit.js';
export type { PeerProblem } from './desired.js';
export type { LeaseProblem } from './flannel/lease-entry.js';
export { leaveNetwork } from './leave.js';
export { NodeAgent } from './node.js';
export type { NodeEvent, NodeOptions } from './node-types.js';
export { EtcdClient } from './etcd/client.js';
export { SubnetLeases, type SubnetLeasesOptions } from './flannel/leases.js';
export type { LeaseEvent } from './flannel/lease-event.js';
export type { LeaseSnapshot } from './flannel/lease-table.js';
export {
  parseLeaseKey,
  parseLeaseValue,
  printLeaseKey,
  printLeaseValue,
  type Lease,
  type LeaseAttributes,
} from './flannel/lease.js';
export { parseNetworkConfig, type NetworkConfig } from './flannel/network-config.js';
export { parseSubnetEnv, printSubnetEnv } from './flannel/subnet-env.js';
