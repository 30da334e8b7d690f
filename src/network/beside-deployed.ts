import { userError } from '../schema/index.js';
import type { Attachment, Backend, HostView, NetworkHost } from './types.js';

type DeployedHost = Pick<NetworkHost, 'deployed'>;

/** The bridge of a host's containers: flannel's name, which a deployed network may have already. */
export const bridgeNameOf = ({ deployed }: DeployedHost): string =>
  deployed === undefined ? 'cni0' : 'bw-cni0';

/** The number of a host's VXLAN network: one port carries several. */
export const vniBeside = ({ deployed }: DeployedHost, vni: number): number =>
  deployed === undefined ? vni : vni + 1;

interface WireguardDevice {
  readonly name: string;
  readonly port: number;
}

/** The WireGuard device of a host: a port has one device. flannel's own two devices use two ports. */
export const wireguardBeside = (
  { deployed }: DeployedHost,
  { name, port }: WireguardDevice,
): WireguardDevice =>
  deployed === undefined ? { name, port } : { name: name.replace('flannel', 'bw'), port: port + 2 };

/**
 * Refuses a network that would change the deployed network of a host: an interface has one receive handler, and one mode of IPvlan for all
 * of its links (ipvlan_set_port_mode in drivers/net/ipvlan), and a host receives IP-in-IP by one device.
 *
 * @throws BarewireError `bad-input`
 */
export function requireRoomBeside({ host }: HostView, backend: Backend, attachment: Attachment): void {
  const { deployed } = host;
  if (deployed === undefined) return;
  const onInterface = /^(?:ipvlan|macvlan)/.test(deployed.attachment) && attachment.onInterface === true;
  const shared =
    backend.name === 'ipip' && deployed.backend === 'ipip'
      ? 'the tunnel device of the deployed network'
      : onInterface && deployed.attachment !== attachment.name
        ? `${host.dev}, on which the deployed network has containers by ${deployed.attachment}`
        : null;
  if (shared === null) return;
  throw userError(
    `${attachment.name} over ${backend.name} would take ${shared} (${host.name}).`,
    'Omit this network, or use hosts without a node agent.',
  );
}
