/** The contenders: how packets get from host to host, how containers join their hosts, as steps. Pure. */
export type {
  BlockedPaths,
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
export { CATALOG, findNetwork, networkNames, REFERENCE } from './catalog.js';
export { versionOf, type IpVersion } from './ip-version.js';
export { localMac } from './mac.js';
export { support } from './support.js';
