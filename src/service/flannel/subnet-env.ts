import { parsePrefix, printPrefix, withoutHostBits } from './prefix.js';

/** What CNI plugins and Docker read of a node. Networks and subnets are without host bits. */
export interface SubnetEnv {
  readonly network: string;
  readonly subnet: string;
  readonly ipv6Network: string | null;
  readonly ipv6Subnet: string | null;
  readonly mtu: number;
  readonly ipMasq: boolean;
}

/** As flanneld prints it: the subnet with its first usable address. */
export function printSubnetEnv(env: SubnetEnv): string {
  const family = (infix: string, network: string, subnet: string): string[] => {
    const prefix = parsePrefix(subnet);
    if (prefix === null) throw new TypeError(`Not a subnet: ${subnet}`);
    const gateway = printPrefix({ ...prefix, address: prefix.address + 1n });
    return [`FLANNEL_${infix}NETWORK=${network}`, `FLANNEL_${infix}SUBNET=${gateway}`];
  };
  const lines = [
    ...family('', env.network, env.subnet),
    ...(env.ipv6Network === null || env.ipv6Subnet === null
      ? []
      : family('IPV6_', env.ipv6Network, env.ipv6Subnet)),
    `FLANNEL_MTU=${env.mtu}`,
    `FLANNEL_IPMASQ=${env.ipMasq}`,
  ];
  return `${lines.join('\n')}\n`;
}

/**
 * Parses a subnet.env: also one with blank lines, comments, quotes and `export`. Null when it lacks the subnet or
 * another line that flanneld writes, as a file does that was cut short.
 */
export function parseSubnetEnv(text: string): SubnetEnv | null {
  const values = new Map<string, string>();
  for (const line of text.split('\n')) {
    const [, name, quoted, plain] =
      /^\s*(?:export\s+)?(FLANNEL_\w+)\s*=\s*(?:(["'].*["'])|([^\s#]*))\s*(?:#.*)?$/.exec(line) ?? [];
    if (name !== undefined) values.set(name, quoted?.slice(1, -1) ?? plain ?? '');
  }
  const prefix = (name: string): string | null => {
    const parsed = parsePrefix(values.get(name) ?? '');
    return parsed === null ? null : printPrefix(withoutHostBits(parsed));
  };
  const network = prefix('FLANNEL_NETWORK');
  const subnet = prefix('FLANNEL_SUBNET');
  const mtu = Number(values.get('FLANNEL_MTU') ?? Number.NaN);
  const ipMasq = values.get('FLANNEL_IPMASQ');
  if (network === null || subnet === null || !Number.isInteger(mtu) || ipMasq === undefined) return null;
  return {
    network,
    subnet,
    ipv6Network: prefix('FLANNEL_IPV6_NETWORK'),
    ipv6Subnet: prefix('FLANNEL_IPV6_SUBNET'),
    mtu,
    ipMasq: ipMasq === 'true',
  };
}
