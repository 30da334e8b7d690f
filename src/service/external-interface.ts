import { isIP } from 'node:net';
import type { KernelState } from '../linux/index.js';
import { bug, userError } from '../schema/index.js';
import type { ExternalInterface, OwnAddress } from './desired.js';

/** How a host chooses its interface, with flanneld's rules: names and addresses, expressions, a destination, the default route. */
export interface InterfaceChoice {
  /** Names or addresses. The first that the host has is used. */
  readonly iface: readonly string[];
  /** Regular expressions for an address or a name. */
  readonly ifaceRegex: readonly string[];
  /** A destination: the interface that leads to it. */
  readonly ifaceCanReach: string | null;
  /** What peers connect to; null is the interface's own address. */
  readonly publicIp: string | null;
  readonly publicIpv6: string | null;
}

interface Surroundings {
  readonly ipv6: boolean;
  /** The interface by which the kernel routes to an address; null without a route. */
  readonly linkTowards: (address: string) => string | null;
}

/**
 * Finds the interface to the peers.
 *
 * @throws BarewireError `bad-input` with what the host has
 */
export function findExternal(
  state: KernelState,
  choice: InterfaceChoice,
  { ipv6: needsIpv6, linkTowards }: Surroundings,
): ExternalInterface {
  const { dev, address } = chooseInterface(state, choice, linkTowards);
  const link = state.links.get(dev);
  if (link === undefined) throw bug(`a chosen interface does not exist: ${dev}`);
  const found = addressesOf(state, dev, 4);
  const ipv4 = found.find((own) => own.address === address) ?? found[0] ?? null;
  const ipv6 = needsIpv6 ? (addressesOf(state, dev, 6)[0] ?? null) : null;
  if (ipv4 === null || (needsIpv6 && ipv6 === null))
    throw userError(
      `The interface ${dev} has no IPv${ipv4 === null ? 4 : 6} address.`,
      'Name another by --iface, or add an address.',
    );
  return { dev, mtu: link.mtu, mac: link.mac ?? '', ipv4, ipv6, ...publicAddresses(choice, ipv4, ipv6) };
}

/**
 * The interface as it is now. It stays the chosen one while the host has it, with the address that it had while it has that; one without
 * an address, such as in between two leases of DHCP, keeps the last.
 */
export function refreshExternal(
  state: KernelState,
  choice: InterfaceChoice,
  before: ExternalInterface,
): ExternalInterface {
  const { dev } = before;
  const link = state.links.get(dev);
  if (link === undefined) return before;
  const refresh = (version: 4 | 6, last: OwnAddress): OwnAddress => {
    const found = addressesOf(state, dev, version);
    return found.find(({ address }) => address === last.address) ?? found[0] ?? last;
  };
  const ipv4 = refresh(4, before.ipv4);
  const ipv6 = before.ipv6 === null ? null : refresh(6, before.ipv6);
  return { dev, mtu: link.mtu, mac: link.mac ?? '', ipv4, ipv6, ...publicAddresses(choice, ipv4, ipv6) };
}

const publicAddresses = (
  { publicIp, publicIpv6 }: InterfaceChoice,
  ipv4: OwnAddress,
  ipv6: OwnAddress | null,
): Pick<ExternalInterface, 'publicIp' | 'publicIpv6'> => ({
  publicIp: publicIp ?? ipv4.address,
  publicIpv6: ipv6 === null ? null : (publicIpv6 ?? ipv6.address),
});

/** In the kernel's order, which has the primary address first. */
const addressesOf = ({ addresses }: KernelState, dev: string, version: 4 | 6): OwnAddress[] =>
  addresses.flatMap(({ link, address: cidr }) => {
    const [address = '', prefix] = cidr.split('/');
    const fits = link === dev && isIP(address) === version && !address.startsWith('fe80:');
    return fits ? [{ address, prefix: Number(prefix) }] : [];
  });

interface Chosen {
  readonly dev: string;
  /** The one by which it was chosen. */
  readonly address: string | null;
}

function chooseInterface(
  state: KernelState,
  { iface, ifaceRegex, ifaceCanReach }: InterfaceChoice,
  linkTowards: Surroundings['linkTowards'],
): Chosen {
  const all = state.addresses.map(({ link, address }) => ({
    dev: link,
    address: address.split('/')[0] ?? '',
  }));
  for (const wanted of iface) {
    if (isIP(wanted) === 0 && state.links.has(wanted)) return { dev: wanted, address: null };
    const found = all.find(({ address }) => address === wanted);
    if (found !== undefined) return found;
  }
  for (const source of ifaceRegex) {
    const expression = parseExpression(source);
    const found = all.find(({ address }) => isIP(address) === 4 && expression.test(address));
    if (found !== undefined) return found;
    const name = [...state.links.keys()].find((link) => expression.test(link));
    if (name !== undefined) return { dev: name, address: null };
  }
  if (iface.length > 0 || ifaceRegex.length > 0) {
    const has = [...state.links.keys()].map((dev) =>
      [dev, ...all.filter((each) => each.dev === dev).map(({ address }) => address)].join(' '),
    );
    throw userError(
      `This host has no interface ${[...iface, ...ifaceRegex].join(' or ')}: it has ${has.join(', ')}.`,
      'Name one by --iface.',
    );
  }
  if (ifaceCanReach !== null) {
    const dev = linkTowards(ifaceCanReach);
    if (dev !== null) return { dev, address: null };
    throw userError(
      `This host has no route to ${ifaceCanReach}.`,
      'Correct --iface-can-reach, or use --iface NAME.',
    );
  }
  const found = state.routes.find(
    ({ destination, link }) => destination === '0.0.0.0/0' && link !== undefined,
  );
  if (found?.link !== undefined) return { dev: found.link, address: null };
  throw userError('This host has no default route, which would name its interface.', 'Use --iface NAME.');
}

function parseExpression(source: string): RegExp {
  try {
    return new RegExp(source);
  } catch (cause) {
    throw userError(
      `--iface-regex is not a regular expression: \`${source}\`.`,
      'Use one for names or addresses, such as `^eth` or `^10\\.0\\.`.',
      { cause },
    );
  }
}
