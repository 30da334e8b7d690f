/** The contenders: how packets get from host to host, how containers join their hosts, as steps. Pure. */
export type {
  Container,
  HostPlan,
  NetHost,
  Network,
  NetworkRequest,
  Requirement,
  Waypoint,
} from './types.js';
export { CATALOG, findNetwork, networkNames, REFERENCE } from './catalog.js';
export { versionOf, type IpVersion } from './ip-version.js';
export { localMac } from './mac.js';
export { support } from './support.js';
