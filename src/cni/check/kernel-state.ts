import * as z from 'zod';
import { machineError } from '../../schema/index.js';

/** What a namespace has that a plugin could create. Pure: the text comes from `STATE_SCRIPT`. */

/**
 * Prints the state of its namespace in sections. Tools that are not installed print nothing. The arguments are
 * directories whose files are listed.
 */
export const STATE_SCRIPT = `
section() { printf '\\n@@%s\\n' "$1"; shift; "$@" 2>/dev/null; }
section links ip -j address
section routes ip -j route show table all
section routes6 ip -j -6 route show table all
section rules ip -j rule
section rules6 ip -j -6 rule
section neighbours ip -j neighbour show nud permanent
section nft nft -s list ruleset
section iptables iptables-save
section ip6tables ip6tables-save
section sysctls grep -r . /proc/sys/net/ipv4 /proc/sys/net/ipv6 /proc/sys/net/bridge
[ $# = 0 ] || section files find "$@" -mindepth 1 ! -type d
exit 0`;

/** The part of it that describes a container. */
export const CONTAINER_SCRIPT = `
section() { printf '\\n@@%s\\n' "$1"; shift; "$@" 2>/dev/null; }
section links ip -j address
section routes ip -j route show table all
section routes6 ip -j -6 route show table all
exit 0`;

const linkSchema = z.object({
  ifname: z.string(),
  address: z.string().default(''),
  mtu: z.number(),
  flags: z.array(z.string()),
  master: z.string().optional(),
  addr_info: z.array(
    z.object({
      local: z.string().optional(),
      prefixlen: z.number().optional(),
      scope: z.string().optional(),
    }),
  ),
});

const routeSchema = z.object({
  type: z.string().optional(),
  dst: z.string(),
  gateway: z.string().optional(),
  dev: z.string().optional(),
  table: z.string().optional(),
  protocol: z.string().optional(),
  metric: z.number().optional(),
});

export interface Link {
  readonly name: string;
  readonly mac: string;
  readonly mtu: number;
  readonly up: boolean;
  readonly master: string | null;
  /** With prefix lengths, without the link-local ones of IPv6, which the kernel makes. */
  readonly addresses: readonly string[];
}

export interface Route {
  /** With prefix length. */
  readonly destination: string;
  readonly gateway: string | null;
  readonly dev: string | null;
  readonly table: string;
}

export interface NamespaceState {
  readonly links: readonly Link[];
  /** Without those of local addresses, and those that the kernel adds with an address. */
  readonly routes: readonly Route[];
  /** By kind, one line for each object: what two states are compared by. */
  readonly objects: ReadonlyMap<string, ReadonlySet<string>>;
  readonly sysctls: ReadonlyMap<string, string>;
}

export function parseState(text: string): NamespaceState {
  const sections = new Map(
    text
      .split(/^@@/m)
      .slice(1)
      .map((section) => [
        section.slice(0, section.indexOf('\n')),
        section.slice(section.indexOf('\n') + 1).trim(),
      ]),
  );
  const list = <T>(name: string, schema: z.ZodType<T>): T[] => {
    const text = sections.get(name) ?? '';
    try {
      const entries = z.array(z.looseObject({})).parse(text === '' ? [] : JSON.parse(text));
      // iproute2 prints an empty object for an entry that it leaves out.
      return z.array(schema).parse(entries.filter((entry) => Object.keys(entry).length > 0));
    } catch (error) {
      throw machineError(
        'host-unsupported',
        `iproute2 printed ${name} that this Barewire does not read: ${text.slice(0, 200)}`,
        'Install iproute2 4.20 or later.',
        error,
      );
    }
  };
  const lines = (name: string): string[] =>
    (sections.get(name) ?? '').split('\n').filter((line) => line !== '');
  const links = list('links', linkSchema).map(toLink);
  const routes = [
    ...toRoutes(list('routes', routeSchema), '0.0.0.0/0'),
    ...toRoutes(list('routes6', routeSchema), '::/0'),
  ];
  const all = (name: string): string[] => list(name, z.unknown()).map((entry) => JSON.stringify(entry));
  const objects = {
    link: links.map(({ name, master, up }) => `${describe(name, { master })} ${up ? 'up' : 'down'}`),
    address: links.flatMap(({ name, addresses }) =>
      addresses.filter((each) => !OF_LOOPBACK.includes(each)).map((each) => `${each} dev ${name}`),
    ),
    route: routes.map(printRoute),
    rule: [...all('rules'), ...all('rules6')],
    'permanent neighbour': all('neighbours'),
    'nftables line': inContext(lines('nft')),
    'iptables rule': saved(lines('iptables')),
    'ip6tables rule': saved(lines('ip6tables')),
    file: lines('files'),
  };
  const sets = Object.entries(objects).map(([kind, lines]) => [kind, new Set(numbered(lines))] as const);
  return { links, routes, objects: new Map(sets), sysctls: readSysctls(lines('sysctls')) };
}

const toLink = ({ ifname, address, mtu, flags, master, addr_info }: z.infer<typeof linkSchema>): Link => ({
  name: ifname,
  mac: address,
  mtu,
  up: flags.includes('UP'),
  master: master ?? null,
  addresses: addr_info.flatMap(({ local, prefixlen, scope }) =>
    local === undefined || prefixlen === undefined || (scope === 'link' && local.includes(':'))
      ? []
      : [`${local}/${prefixlen}`],
  ),
});

/** The kernel adds them when `lo` is set up, and keeps them. */
const OF_LOOPBACK = ['127.0.0.1/8', '::1/128'];

/** Routes of these kinds come and go with an address. */
const OF_ADDRESSES = ['local', 'broadcast', 'multicast', 'anycast'];

function toRoutes(routes: readonly z.infer<typeof routeSchema>[], all: string): Route[] {
  return routes
    .filter(({ type = 'unicast', protocol }) => !OF_ADDRESSES.includes(type) && protocol !== 'kernel')
    .map(({ dst, gateway, dev, table }) => ({
      destination: dst === 'default' ? all : withPrefix(dst),
      gateway: gateway ?? null,
      dev: dev ?? null,
      table: table ?? 'main',
    }));
}

/** `ip` omits the prefix length of a host route. */
export const withPrefix = (address: string): string =>
  address.includes('/') ? address : `${address}/${address.includes(':') ? 128 : 32}`;

export const printRoute = ({ destination, gateway, dev, table }: Route): string =>
  describe(destination, { via: gateway, dev, table: table === 'main' ? null : table });

const describe = (name: string, facts: Readonly<Record<string, string | null>>): string =>
  [
    name,
    ...Object.entries(facts).flatMap(([key, value]) => (value === null ? [] : [`${key} ${value}`])),
  ].join(' ');

/** Tells apart objects of the same text, such as a rule that was added twice. */
function numbered(lines: readonly string[]): string[] {
  const counts = new Map<string, number>();
  return lines.map((line) => {
    const count = (counts.get(line) ?? 0) + 1;
    counts.set(line, count);
    return count === 1 ? line : `${line} (${count} times)`;
  });
}

/** Each rule of nftables behind the table and chain in which it is. */
function inContext(lines: readonly string[]): string[] {
  const context: string[] = [];
  return lines.flatMap((line) => {
    const text = line.trim();
    if (text === '}') {
      context.pop();
      return [];
    }
    const path = [...context, text.replace(/ \{$/, '')].join(' / ');
    if (text.endsWith('{')) context.push(text.replace(/ \{$/, ''));
    return [path];
  });
}

/** The rules and chains of iptables-save behind their table, without counters and comments. */
function saved(lines: readonly string[]): string[] {
  let table = '';
  return lines.flatMap((line) => {
    if (line.startsWith('*')) table = line.slice(1);
    return /^[:-]/.test(line) ? [`${table}: ${line.replace(/ ?\[\d+:\d+\]/, '')}`] : [];
  });
}

/** Settings that change by themselves. */
const VOLATILE = /nf_conntrack|stable_secret|\/route\/|random/;

const readSysctls = (lines: readonly string[]): Map<string, string> =>
  new Map(
    lines
      .map((line) => [line.slice(0, line.indexOf(':')), line.slice(line.indexOf(':') + 1)] as const)
      .filter(([path]) => !VOLATILE.test(path))
      .map(([path, value]) => [path.replace('/proc/sys/', ''), value]),
  );

/** What differs between two states, as sentences. A setting that only one of them has belongs to a link. */
export function compareStates(before: NamespaceState, after: NamespaceState): string[] {
  const objects = [...after.objects].flatMap(([kind, now]) => {
    const then = before.objects.get(kind) ?? new Set();
    return [
      ...[...now].filter((line) => !then.has(line)).map((line) => `new ${kind}: ${line}`),
      ...[...then].filter((line) => !now.has(line)).map((line) => `missing ${kind}: ${line}`),
    ];
  });
  const settings = [...after.sysctls].flatMap(([key, value]) => {
    const old = before.sysctls.get(key);
    return old === undefined || old === value ? [] : [`changed setting: ${key} from ${old} to ${value}`];
  });
  return [...objects, ...settings];
}
