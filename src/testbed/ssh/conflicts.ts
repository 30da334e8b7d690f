import * as z from 'zod';
import {
  addressToNumber,
  findNetwork,
  networkNames,
  RUN_SYMBOL,
  subnetOf,
  versionOf,
  type HostPlan,
  type NetworkHost,
} from '../../network/index.js';
import type { Finding } from '../../schema/index.js';
import { parseIpJson } from '../ip-json.js';
import { onBoth, type HostRole, type Pair, type TestbedPlan } from '../types.js';
import type { HostReader } from './remote-host.js';

/** What a host has that others rely on. */
interface Present {
  readonly links: readonly string[];
  /** In CIDR, or single addresses. */
  readonly routes: readonly string[];
}

const READ = `ls /sys/class/net; echo; ls /var/lib/barewire/journal 2>/dev/null; echo; ip -j "$0" route show`;

/** Links and routes of a host. None where an ended run left some: they are undone before a study sets up its own. */
export async function readPresent(reader: HostReader, ip: 4 | 6): Promise<Present> {
  const { stdout } = await reader.run(['sh', '-c', READ, `-${ip}`]);
  const [links = '', journals = '', routes = ''] = stdout.split('\n\n').map((part) => part.trim());
  if (journals !== '' && !journals.startsWith('[')) return { links: [], routes: [] };
  const listed = parseIpJson(routes === '' ? journals : routes, z.object({ dst: z.string() }), 'dst');
  return {
    links: links.split('\n'),
    routes: listed.map(({ dst }) => dst).filter((dst) => dst !== 'default'),
  };
}

/** The networks that would take a name or an address that a host uses already, each with the reason. */
export function findConflicts(
  names: readonly string[] | undefined,
  nets: Pair<NetworkHost>,
  present: Pair<Present>,
): NonNullable<TestbedPlan['unavailable']> {
  return (names ?? networkNames())
    .filter((name) => networkNames().includes(name))
    .flatMap((network) => {
      const finding = conflictOf(network, nets, present);
      return finding === null ? [] : [{ network, finding }];
    });
}

function conflictOf(name: string, nets: Pair<NetworkHost>, present: Pair<Present>): Finding | null {
  let plans: readonly HostPlan[];
  try {
    plans = findNetwork(name).plan({ run: RUN_SYMBOL, hosts: [nets.client, nets.server] });
  } catch {
    // The plan of the study has the reason.
    return null;
  }
  const found = onBoth((role): Finding | null => {
    const plan = plans.find(({ host }) => host === role);
    return plan === undefined ? null : conflictOn(role, plan, nets, present[role]);
  });
  return found.client ?? found.server;
}

function conflictOn(
  role: HostRole,
  { path, container }: HostPlan,
  nets: Pair<NetworkHost>,
  { links, routes }: Present,
): Finding | null {
  const own = nets[role];
  const made = path.filter(({ netns, link }) => netns === null && link !== own.dev).map(({ link }) => link);
  const taken = made.filter((link) => links.includes(link));
  if (taken.length > 0) return { code: 'links-taken', host: `the ${role}`, links: [...new Set(taken)] };
  const subnets = Object.values(nets).map(subnetOf);
  // Other networks have addresses of the segment, which are checked by ARP.
  if (!subnets.some((subnet) => overlaps(subnet, container.address))) return null;
  const routed = subnets.flatMap((subnet) => routes.filter((route) => overlaps(route, subnet)))[0];
  return routed === undefined
    ? null
    : { code: 'range-routed', host: `the ${role}`, range: subnets.join(' and '), route: routed };
}

/** Two halves of all addresses are a VPN's default route. */
const LEAST_PREFIX = 2;

function overlaps(one: string, other: string): boolean {
  const [first, second] = [rangeOf(one), rangeOf(other)];
  return first !== null && second !== null && first.start <= second.end && second.start <= first.end;
}

function rangeOf(text: string): { readonly start: bigint; readonly end: bigint } | null {
  const [address = '', length] = text.split('/');
  if (!/^[\d.]+$|:/.test(address)) return null;
  const bits = versionOf(address) === 4 ? 32 : 128;
  const prefix = length === undefined ? bits : Number(length);
  if (prefix < LEAST_PREFIX) return null;
  const size = 1n << BigInt(bits - prefix);
  const start = (addressToNumber(address) / size) * size;
  return { start, end: start + size - 1n };
}
