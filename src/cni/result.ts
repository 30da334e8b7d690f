import type { KernelNetwork } from '../machine/index.js';
import { gatewayOf, type ContainerNetwork } from './container-network.js';
import type { SpecVersion } from './protocol.js';
import type { CniRequest } from './request.js';

/** The output of ADD, in the version that was asked for. */
export type CniResult = Readonly<Record<string, unknown>>;

interface Interface {
  readonly name: string;
  readonly mac: string;
  readonly sandbox?: string;
}

/** Describes an attachment, behind what a plugin before this one has returned. */
export function describeAttachment(
  { version, config, ifname, netns }: CniRequest,
  { sites, kernel }: ContainerNetwork,
  container: KernelNetwork,
  addresses: readonly string[],
  hostLink: string,
): CniResult {
  const hostLinks = kernel.links();
  const inside = container.links().get(ifname);
  const side = hostLinks.get(hostLink);
  const master = side?.master ?? null;
  const own: readonly Interface[] = [
    ...(master === null ? [] : [{ name: master, mac: hostLinks.get(master)?.mac ?? '' }]),
    ...(side === undefined ? [] : [{ name: hostLink, mac: side.mac ?? '' }]),
    { name: ifname, mac: inside?.mac ?? '', sandbox: netns },
  ];
  const before = config.prevResult ?? {};
  const list = (name: string): unknown[] => (Array.isArray(before[name]) ? (before[name] as unknown[]) : []);
  const offset = list('interfaces').length;
  const ips = sites.map(({ subnet }, at) => {
    const [base = '', length = ''] = subnet.split('/');
    return {
      ...(hasVersions(version) && { version: subnet.includes(':') ? '6' : '4' }),
      address: `${addresses[at] ?? ''}/${length}`,
      gateway: gatewayOf(base),
      interface: offset + own.length - 1,
    };
  });
  const routes = sites.map(({ subnet }) => {
    const [base = ''] = subnet.split('/');
    return { dst: base.includes(':') ? '::/0' : '0.0.0.0/0', gw: gatewayOf(base) };
  });
  return {
    cniVersion: version,
    interfaces: [...list('interfaces'), ...own],
    ips: [...list('ips'), ...ips],
    routes: [...list('routes'), ...routes],
    dns: config.dns ?? before['dns'] ?? {},
  };
}

/** Addresses name their version of IP before 1.0.0. */
const hasVersions = (version: SpecVersion): boolean => version.startsWith('0.');
