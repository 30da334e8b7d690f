/** What the rules of a network are about: all its subnets, and this node's. */
export interface MasqueradeScope {
  readonly version: 4 | 6;
  readonly network: string;
  readonly subnet: string;
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
 * containers keep their addresses; those to the world, and those from the world to containers of other nodes, get the node's.
 *
 * @param masquerades false: only forwarding is accepted
 */
export function nftRules({ version, network, subnet }: MasqueradeScope, masquerades: boolean): string {
  const family = version === 4 ? 'ip' : 'ip6';
  const from = `${family} saddr`;
  const to = `${family} daddr`;
  const postrouting = [
    `meta mark and ${KUBE_MARK} == ${KUBE_MARK} return`,
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

/** The same rules in chains of the node's own, as the input of `iptables-restore --noflush`, which replaces them in one transaction. */
export function iptablesRules({ version, network, subnet }: MasqueradeScope, masquerades: boolean): string {
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
