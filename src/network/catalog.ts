import { BarewireError, nearest } from '../schema/index.js';
import { bridge } from './attachment/bridge.js';
import { host } from './attachment/host.js';
import { ipvlanL2, ipvlanL3, ipvlanL3s } from './attachment/ipvlan.js';
import { macvlan } from './attachment/macvlan.js';
import { ptp } from './attachment/ptp.js';
import { pair } from './pair.js';
import type { Network } from './types.js';
import { awsVpc } from './underlay/aws-vpc.js';
import { flat } from './underlay/flat.js';
import { hostGw } from './underlay/host-gw.js';
import { ipip } from './underlay/ipip.js';
import { none } from './underlay/none.js';
import { vxlan } from './underlay/vxlan.js';
import { wireguard } from './underlay/wireguard.js';

/** The reference: every ratio is against it. */
export const REFERENCE = 'host';

/** All contenders, the reference first. */
export const CATALOG: readonly Network[] = [
  pair(REFERENCE, none, host),
  pair('flannel-host-gw', hostGw, bridge),
  pair('flannel-vxlan', vxlan, bridge),
  pair('flannel-aws-vpc', awsVpc, bridge),
  pair('flannel-ipip', ipip, bridge),
  pair('flannel-wireguard', wireguard, bridge),
  pair('host-gw-ptp', hostGw, ptp),
  pair('macvlan', flat, macvlan),
  pair('ipvlan', flat, ipvlanL2),
  pair('ipvlan-l3', hostGw, ipvlanL3),
  pair('ipvlan-l3s', hostGw, ipvlanL3s),
];

export const networkNames = (): string[] => CATALOG.map(({ name }) => name);

/** @throws BarewireError `bad-input`, with the nearest name that there is. */
export function findNetwork(name: string): Network {
  const found = CATALOG.find((network) => network.name === name);
  if (found !== undefined) return found;
  const names = networkNames();
  const meant = nearest(name, names);
  throw new BarewireError(`There is no network "${name}" in the catalog.`, {
    code: 'bad-input',
    fault: 'user',
    hint: `${meant === undefined ? '' : `Did you mean "${meant}"? `}The catalog has ${names.join(', ')}.`,
  });
}
