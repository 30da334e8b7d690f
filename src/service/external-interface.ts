import { isIP } from 'node:net';
import type { KernelState } from '../linux/index.js';
import { userError } from '../schema/index.js';
import type { ExternalInterface, OwnAddress } from './desired.js';

export interface InterfaceChoice {
  /** A name or an address; null is the interface of the default route. */
  readonly iface: string | null;
  /** What peers connect to; null is the interface's own address. */
  readonly publicIp: string | null;
  readonly ipv6: boolean;
}

/**
 * Finds the interface to the peers, as flanneld does: by name, by address, or by the default route.
 *
 * @throws BarewireError `bad-input` with what the host has
 */
export function findExternal(state: KernelState, choice: InterfaceChoice): ExternalInterface {
  const dev = nameOf(state, choice);
  const link = state.links.get(dev);
  if (link === undefined)
    throw userError(
      `This host has no interface ${dev}: it has ${[...state.links.keys()].join(', ')}.`,
      'Name one by --iface.',
    );
  const addressOf = (version: 4 | 6): OwnAddress | null => {
    const [first] = state.addresses.filter(
      ({ link: on, address }) =>
        on === dev && isIP(address.split('/')[0] ?? '') === version && !address.startsWith('fe80:'),
    );
    const [address = '', prefix] = first?.address.split('/') ?? [];
    return first === undefined ? null : { address, prefix: Number(prefix) };
  };
  const ipv4 = addressOf(4);
  const ipv6 = choice.ipv6 ? addressOf(6) : null;
  if (ipv4 === null || (choice.ipv6 && ipv6 === null))
    throw userError(
      `The interface ${dev} has no IPv${ipv4 === null ? 4 : 6} address.`,
      'Name another by --iface, or add an address.',
    );
  return {
    dev,
    mtu: link.mtu,
    mac: link.mac ?? '',
    ipv4: choice.publicIp === null ? ipv4 : { ...ipv4, address: choice.publicIp },
    ipv6,
  };
}

function nameOf({ addresses, routes }: KernelState, { iface }: InterfaceChoice): string {
  if (iface !== null) {
    if (isIP(iface) === 0) return iface;
    const found = addresses.find(({ address }) => address.split('/')[0] === iface);
    if (found !== undefined) return found.link;
    throw userError(`No interface of this host has the address ${iface}.`, 'Name one by --iface NAME.');
  }
  const found = routes.find(({ destination, link }) => destination === '0.0.0.0/0' && link !== undefined);
  if (found?.link !== undefined) return found.link;
  throw userError('This host has no default route, which would name its interface.', 'Use --iface NAME.');
}
