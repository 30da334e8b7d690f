import { BARE, didYouMean, userError, REFERENCE } from '../schema/index.js';
import { bridge } from './attachment/bridge.js';
import { host } from './attachment/host.js';
import { ipvlanL2, ipvlanL3, ipvlanL3s } from './attachment/ipvlan.js';
import { macvlan } from './attachment/macvlan.js';
import { ptp } from './attachment/ptp.js';
import { plannedNetwork } from './planned-network.js';
import { dockerNetwork } from './docker/docker-network.js';
import { publishedBridge } from './docker/bridge.js';
import { dockerDriver } from './docker/drivers.js';
import { inContainers } from './docker/attachments.js';
import type { Attachment, Backend, PlannedNetwork } from './types.js';
import { awsVpc } from './backend/aws-vpc.js';
import { flat } from './backend/flat.js';
import { hostGw } from './backend/host-gw.js';
import { ipip } from './backend/ipip.js';
import { none } from './backend/none.js';
import { translated } from './backend/translated.js';
import { vxlan } from './backend/vxlan.js';
import { wireguard } from './backend/wireguard.js';

type Pairing = readonly [name: string, backend: Backend, attachment: Attachment];

const PAIRINGS: readonly Pairing[] = [
  [REFERENCE, none, host],
  ['flannel-host-gw', hostGw, bridge],
  ['flannel-vxlan', vxlan, bridge],
  ['flannel-aws-vpc', awsVpc, bridge],
  ['flannel-ipip', ipip, bridge],
  ['flannel-wireguard', wireguard, bridge],
  ['host-gw-ptp', hostGw, ptp],
  ['macvlan', flat, macvlan],
  ['ipvlan', flat, ipvlanL2],
  ['ipvlan-l3', hostGw, ipvlanL3],
  ['ipvlan-l3s', hostGw, ipvlanL3s],
];

/** All planned networks, the reference first. */
export const CATALOG: readonly PlannedNetwork[] = PAIRINGS.map((pairing) => plannedNetwork(...pairing));

/** The same networks with containers of Docker, on hosts that have an engine for them. */
const DOCKER_CATALOG: readonly PlannedNetwork[] = [
  ...PAIRINGS.map(([name, backend, attachment]) => dockerNetwork(name, backend, inContainers(attachment))),
  dockerNetwork('docker-bridge', translated, publishedBridge),
  dockerNetwork('docker-macvlan', flat, dockerDriver('macvlan')),
  dockerNetwork('docker-ipvlan', flat, dockerDriver('ipvlan')),
  {
    ...plannedNetwork(BARE, none, host),
    what: `${REFERENCE} without containers: nginx and the generator as programs of the hosts`,
  },
];

/** The names of what a network of the catalog is made of; null for another network. */
export function findPairing(name: string): { readonly backend: string; readonly attachment: string } | null {
  const found = PAIRINGS.find(([own]) => own === name);
  return found === undefined ? null : { backend: found[1].name, attachment: found[2].name };
}

/** Whether one of these networks, or of the whole catalog, needs hosts in a VPC. */
export const needsVpc = (names: readonly string[] | undefined): boolean =>
  CATALOG.some(
    ({ name, requires }) =>
      (names === undefined || names.includes(name)) && requires.some(({ kind }) => kind === 'platform'),
  );

/** The network of the catalog that a backend and an attachment make; null where it has none. */
export const findNameOf = (backend: string, attachment: string): string | null =>
  PAIRINGS.find(([, own, how]) => own.name === backend && how.name === attachment)?.[0] ?? null;

export const networkNames = (): string[] => CATALOG.map(({ name }) => name);
export const dockerNetworkNames = (): string[] => DOCKER_CATALOG.map(({ name }) => name);

/** @throws BarewireError `bad-input` with the nearest name */
export const findNetwork = (name: string): PlannedNetwork => findIn(CATALOG, name);

/**
 * Finds a network with containers of Docker.
 *
 * @throws BarewireError `bad-input` with the nearest name
 */
export const findDockerNetwork = (name: string): PlannedNetwork => findIn(DOCKER_CATALOG, name);

function findIn(catalog: readonly PlannedNetwork[], name: string): PlannedNetwork {
  const found = catalog.find((network) => network.name === name);
  if (found !== undefined) return found;
  const names = catalog.map((network) => network.name);
  throw userError(
    `There is no network "${name}" in the catalog.`,
    `${didYouMean(name, names)}The catalog has ${names.join(', ')}.`,
  );
}
