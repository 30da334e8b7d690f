import type { Connection, ConnectionRequest } from './connections.js';

/** A node of the lab with two containers, a and b, by their addresses. */
export interface CaseNode {
  readonly number: number;
  readonly attachment: string;
  readonly a: string;
  readonly b: string;
}

/**
 * A lab: the hub (10.99.0.254, the outside), node 1 with flanneld, and nodes with Barewire. Namespaces are `hub`, `n1`, `n1a`, …, behind
 * the prefix.
 */
export interface CaseLab {
  readonly prefix: string;
  readonly stock: Omit<CaseNode, 'attachment'>;
  readonly ours: readonly CaseNode[];
}

const HOOKS = ['prerouting', 'input', 'forward', 'output', 'postrouting'] as const;
const gatewayOf = (address: string): string => address.replace(/\d+$/, '1');
const nodeAddress = (number: number): string => `10.99.0.${number}`;

/** Connections to container a whose way through the hooks of netfilter on its node is counted. */
const watched = (stock: string, { a, b }: CaseNode): Readonly<Record<string, readonly [string, string]>> => ({
  'from another node': [stock, a],
  'to another node': [a, stock],
  'on the node': [b, a],
  'from the host': [gatewayOf(a), a],
});

/**
 * A script that adds to each node what kube-proxy and portmap would: 10.96.0.1 is a service of a container of node 1, 10.96.0.2 one of
 * container b, and port 8080 leads to container a,
 * each to port 81. Also counters, and the routes of the outside.
 */
export const rulesOf = ({ prefix, stock, ours }: CaseLab): string =>
  ours
    .map((node) => {
      const dnat = [
        `ip daddr 10.96.0.1 tcp dport 80 dnat to ${stock.a}:81`,
        `ip daddr 10.96.0.1 udp dport 80 dnat to ${stock.a}:81`,
        `ip daddr 10.96.0.2 tcp dport 80 dnat to ${node.b}:81`,
        `ip daddr ${nodeAddress(node.number)} tcp dport 8080 dnat to ${node.a}:81`,
      ];
      const counters = Object.entries(watched(stock.a, node)).map(
        ([name, [from, to]]) =>
          `ip saddr ${from} ip daddr ${to} tcp dport 80 tcp flags & (syn|ack) == syn counter comment "${name}"`,
      );
      const chain = (name: string, how: string, rules: readonly string[]): string =>
        [`chain ${name} { type ${how};`, ...rules, '}'].join('\n');
      return `ip netns exec ${prefix}n${node.number} nft -f - <<'END'
table ip service {
${chain('before', 'nat hook prerouting priority dstnat', dnat)}
${chain('out', 'nat hook output priority -100', dnat)}
}
table ip seen {
${HOOKS.map((hook) => chain(hook, `filter hook ${hook} priority -400`, counters)).join('\n')}
}
END
ip -n ${prefix}hub route replace ${node.a.replace(/\d+$/, '0/24')} via ${nodeAddress(node.number)}`;
    })
    .join('\n');

/** Prints the counters of a node. */
export const countersOf = ({ prefix }: CaseLab, { number }: CaseNode): string =>
  `ip netns exec ${prefix}n${number} nft list table ip seen`;

/** The hooks that saw each watched connection. */
export function readCounters(printed: string): Readonly<Record<string, string>> {
  const seen: Record<string, string> = {};
  let hook = '';
  for (const line of printed.split('\n')) {
    hook = /chain (\S+)/.exec(line)?.[1] ?? hook;
    const [, packets, name = ''] = /packets (\d+) .*comment "([^"]+)"/.exec(line) ?? [];
    if (packets !== undefined) seen[name] = `${seen[name] ?? ''}${packets === '0' ? '' : ` ${hook}`}`;
  }
  return Object.fromEntries(Object.entries(seen).map(([name, hooks]) => [name, hooks.trim() || 'none']));
}

/** Each container to each other one. */
export function matrixOf({ prefix, stock, ours }: CaseLab): Readonly<Record<string, Connection>> {
  const all = [stock, ...ours].flatMap(({ number, a, b }) => [
    { netns: `${prefix}n${number}a`, address: a },
    { netns: `${prefix}n${number}b`, address: b },
  ]);
  return Object.fromEntries(
    all.flatMap((one) =>
      all
        .filter((other) => other !== one)
        .map((other) => [`${one.address} ${other.address}`, { from: one.netns, to: other.address }]),
    ),
  );
}

/** All namespaces of a lab. */
const serversOf = ({ prefix, stock, ours }: CaseLab): string[] => [
  `${prefix}hub`,
  ...[stock, ...ours].flatMap(({ number }) =>
    ['', 'a', 'b'].map((container) => `${prefix}n${number}${container}`),
  ),
];

/** The paths of one node that are not between containers. `outside` is a host that routes to the containers, but has no part in the network. */
export function pathsOf({ prefix }: CaseLab, { number, a }: CaseNode): Readonly<Record<string, Connection>> {
  const host = `${prefix}n${number}`;
  const container = `${prefix}n${number}a`;
  const sibling = `${prefix}n${number}b`;
  const other = `${prefix}n1`;
  const outside = `${prefix}hub`;
  const own = nodeAddress(number);
  const udp = true;
  return {
    'host → container': { from: host, to: a },
    'host → container, UDP': { from: host, to: a, udp },
    "host → container, from the node's address": { from: host, to: a, source: own },
    'container → host': { from: container, to: own },
    'container → gateway': { from: container, to: gatewayOf(a) },
    'container → other host': { from: container, to: '10.99.0.1' },
    'container → other host, UDP': { from: container, to: '10.99.0.1', udp },
    'container → outside': { from: container, to: '10.99.0.254' },
    'container → outside, UDP': { from: container, to: '10.99.0.254', udp },
    'other host → container': { from: other, to: a },
    'other host → container, UDP': { from: other, to: a, udp },
    'outside → container': { from: outside, to: a },
    'outside → container, UDP': { from: outside, to: a, udp },
    'container → service on another node': { from: container, to: '10.96.0.1' },
    'container → service on another node, UDP': { from: container, to: '10.96.0.1', udp },
    'container → service on its node': { from: container, to: '10.96.0.2' },
    'host → service on another node': { from: host, to: '10.96.0.1' },
    'host → service on its node': { from: host, to: '10.96.0.2' },
    'outside → host port': { from: outside, to: `${own}:8080` },
    'other host → host port': { from: other, to: `${own}:8080` },
    'remote container → host port': { from: `${other}a`, to: `${own}:8080` },
    'host → host port': { from: host, to: `${own}:8080` },
    'container → host port of its node': { from: sibling, to: `${own}:8080` },
  };
}

/** All connections of a lab: each container to each other one, and the paths of each node as `ATTACHMENT: PATH`. */
export const requestOf = (lab: CaseLab, timeoutMs: number): ConnectionRequest => ({
  servers: serversOf(lab),
  connections: {
    ...matrixOf(lab),
    ...Object.fromEntries(
      lab.ours.flatMap((node) =>
        Object.entries(pathsOf(lab, node)).map(([name, path]) => [`${node.attachment}: ${name}`, path]),
      ),
    ),
  },
  timeoutMs,
});

/** What a server saw, in words: `container`, `node`, `gateway` or the address of another, or why a connection failed. */
export function nameSeen(node: CaseNode, seen: string | undefined): string {
  const from = 'answer of ';
  if (seen?.startsWith(from) === true) return `${from}${nameSeen(node, seen.slice(from.length))}`;
  const { a, b, number } = node;
  const names: Readonly<Record<string, string>> = {
    [a]: 'container',
    [b]: 'container',
    [gatewayOf(a)]: 'gateway',
    [nodeAddress(number)]: 'node',
    '10.99.0.1': 'other node',
    '10.99.0.254': 'outside',
  };
  return names[seen ?? ''] ?? seen ?? 'missing';
}
