import { NETFILTER_VIEWS, type NetfilterView } from './attachments.js';
import type { NodeView } from './desired.js';
import type { Lease } from './flannel/lease.js';

/** The addresses that the rules distinguish in one version of IP. */
export interface MasqueradeScope {
  readonly version: 4 | 6;
  readonly network: string;
  readonly subnet: string;
  /** Of this node's containers. */
  readonly netfilterView: NetfilterView;
  /** Addresses of other nodes, which route to this one's containers. */
  readonly nodes: readonly string[];
}

/** The scopes of a node, for each version of IP. */
export function masqueradeScopes(view: NodeView, leases: readonly Lease[]): MasqueradeScope[] {
  const { attachment, config, subnet, ipv6Subnet } = view;
  const scope = (version: 4 | 6, network: string, own: string): MasqueradeScope => ({
    version,
    network,
    subnet: own,
    netfilterView: NETFILTER_VIEWS[attachment],
    nodes: leases
      .flatMap(({ attributes: { publicIp, publicIpv6 } }) => (version === 4 ? publicIp : (publicIpv6 ?? [])))
      .sort(),
  });
  return [
    scope(4, config.ipv4.network, subnet),
    ...(config.ipv6 === null || ipv6Subnet === null ? [] : [scope(6, config.ipv6.network, ipv6Subnet)]),
  ];
}

/** The name of the node's tables of nftables. */
export const TABLE = 'barewire-node';
/** The names of its chains of iptables. */
export const CHAINS = { nat: 'BAREWIRE-POSTRTG', filter: 'BAREWIRE-FWD' } as const;

/** kube-proxy masquerades packets with this mark. */
const KUBE_MARK = '0x4000';
const MULTICAST = { 4: '224.0.0.0/4', 6: 'ff00::/8' } as const;

/**
 * flannel's rules in a table of the node's own, as the input of `nft -f`, which replaces the table in one transaction. Packets between
 * containers keep their addresses; packets to other networks, and those from there to containers of other nodes, get the node's.
 *
 * IPvlan sends what is for the own host through the loopback interface. Where the answers of a service would bypass the host, which has
 * translated its address, masquerading the requests brings them back to it. Where the host sees only what containers send, answers keep their address:
 * a TCP packet that does not begin a connection, and what goes to another node.
 *
 * @param masquerades false: only forwarding is accepted
 */
export function nftRules(scope: MasqueradeScope, masquerades: boolean): string {
  const { version, network, subnet, netfilterView, nodes } = scope;
  const family = version === 4 ? 'ip' : 'ip6';
  const from = `${family} saddr`;
  const to = `${family} daddr`;
  const postrouting = [
    `meta mark and ${KUBE_MARK} == ${KUBE_MARK} return`,
    `${from} ${subnet} oifname "lo" return`,
    ...{
      all: [],
      'across-nodes': [`${from} ${subnet} ${to} ${subnet} ct status dnat masquerade fully-random`],
      sent: [
        `${from} ${subnet} ct status dnat masquerade fully-random`,
        `${from} ${subnet} tcp flags & syn == 0 return`,
        ...(nodes.length === 0 ? [] : [`${from} ${subnet} ${to} { ${nodes.join(', ')} } return`]),
      ],
    }[netfilterView],
    `${from} ${subnet} ${to} ${network} return`,
    `${from} ${network} ${to} ${subnet} return`,
    `${from} != ${network} ${to} ${subnet} return`,
    `${from} ${network} ${to} != ${MULTICAST[version]} masquerade fully-random`,
    `${from} != ${network} ${to} ${network} masquerade fully-random`,
  ];
  const chain = (name: string, hook: string, rules: readonly string[]): string =>
    [`  chain ${name} {`, `    ${hook}`, ...rules.map((rule) => `    ${rule}`), '  }'].join('\n');
  return [
    // A table must exist to be deleted.
    `table ${family} ${TABLE} {}`,
    `delete table ${family} ${TABLE}`,
    `table ${family} ${TABLE} {`,
    ...(masquerades
      ? [chain('postrouting', 'type nat hook postrouting priority srcnat; policy accept;', postrouting)]
      : []),
    chain('forward', 'type filter hook forward priority filter; policy accept;', [
      `${from} ${network} accept`,
      `${to} ${network} accept`,
    ]),
    '}\n',
  ].join('\n');
}

/** In iptables: the destination of the connection has been translated. */
const TRANSLATED = '-m conntrack --ctstate DNAT';

/** The same rules in chains of the node's own, as the input of `iptables-restore --noflush`, which replaces them in one transaction. */
export function iptablesRules(scope: MasqueradeScope, masquerades: boolean): string {
  const { network, subnet, version, netfilterView, nodes } = scope;
  const rules = (chain: string, lines: readonly string[]): string[] => [
    `:${chain} - [0:0]`,
    ...lines.map((line) => `-A ${chain} ${line}`),
    'COMMIT',
  ];
  return [
    '*nat',
    ...rules(
      CHAINS.nat,
      masquerades
        ? [
            `-m mark --mark ${KUBE_MARK}/${KUBE_MARK} -j RETURN`,
            `-s ${subnet} -o lo -j RETURN`,
            ...{
              all: [],
              'across-nodes': [`-s ${subnet} -d ${subnet} ${TRANSLATED} -j MASQUERADE --random-fully`],
              sent: [
                `-s ${subnet} ${TRANSLATED} -j MASQUERADE --random-fully`,
                `-s ${subnet} -p tcp ! --syn -j RETURN`,
                ...nodes.map((node) => `-s ${subnet} -d ${node} -j RETURN`),
              ],
            }[netfilterView],
            `-s ${subnet} -d ${network} -j RETURN`,
            `-s ${network} -d ${subnet} -j RETURN`,
            `! -s ${network} -d ${subnet} -j RETURN`,
            `-s ${network} ! -d ${MULTICAST[version]} -j MASQUERADE --random-fully`,
            `! -s ${network} -d ${network} -j MASQUERADE --random-fully`,
          ]
        : [],
    ),
    '*filter',
    ...rules(CHAINS.filter, [`-s ${network} -j ACCEPT`, `-d ${network} -j ACCEPT`]),
    '',
  ].join('\n');
}

/** The rules that lead to the node's chains. */
export const IPTABLES_JUMPS = [
  { table: 'nat', chain: 'POSTROUTING', to: CHAINS.nat },
  { table: 'filter', chain: 'FORWARD', to: CHAINS.filter },
] as const;
