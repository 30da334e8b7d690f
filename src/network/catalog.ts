import { nearest, userError, REFERENCE } from '../schema/index.js';
import { bridge } from './attachment/bridge.js';
import { host } from './attachment/host.js';
import { ipvlanL2, ipvlanL3, ipvlanL3s } from './attachment/ipvlan.js';
import { macvlan } from './attachment/macvlan.js';
import { ptp } from './attachment/ptp.js';
import { plannedNetwork } from './planned-network.js';
import type { PlannedNetwork } from './types.js';
import { awsVpc } from './backend/aws-vpc.js';
import { flat } from './backend/flat.js';
import { hostGw } from './backend/host-gw.js';
import { ipip } from './backend/ipip.js';
import { none } from './backend/none.js';
import { vxlan } from './backend/vxlan.js';
import { wireguard } from './backend/wireguard.js';

/** All planned networks, the reference first. */
export const CATALOG: readonly PlannedNetwork[] = [
  plannedNetwork(REFERENCE, none, host),
  plannedNetwork('flannel-host-gw', hostGw, bridge),
  plannedNetwork('flannel-vxlan', vxlan, bridge),
  plannedNetwork('flannel-aws-vpc', awsVpc, bridge),
  plannedNetwork('flannel-ipip', ipip, bridge),
  plannedNetwork('flannel-wireguard', wireguard, bridge),
  plannedNetwork('host-gw-ptp', hostGw, ptp),
  plannedNetwork('macvlan', flat, macvlan),
  plannedNetwork('ipvlan', flat, ipvlanL2),
  plannedNetwork('ipvlan-l3', hostGw, ipvlanL3),
  plannedNetwork('ipvlan-l3s', hostGw, ipvlanL3s),
];

export const networkNames = (): string[] => CATALOG.map(({ name }) => name);

/** @throws BarewireError `bad-input` with the nearest name */
export function findNetwork(name: string): PlannedNetwork {
  const found = CATALOG.find((network) => network.name === name);
  if (found !== undefined) return found;
  const names = networkNames();
  const meant = nearest(name, names);
  throw userError(
    `There is no network "${name}" in the catalog.`,
    `${meant === undefined ? '' : `Did you mean "${meant}"? `}The catalog has ${names.join(', ')}.`,
  );
}
