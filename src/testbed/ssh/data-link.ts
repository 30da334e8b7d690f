import * as z from 'zod';
import { parseIpJson } from '../ip-json.js';
import type { RunResult } from '../../machine/index.js';
import type { IpVersion, NetworkHost } from '../../network/index.js';
import { type BarewireError, machineError } from '../../schema/index.js';
import type { HostRole } from '../types.js';

/** One end of the connection between the hosts, a candidate. */
type Link = Pick<NetworkHost, 'dev' | 'address' | 'prefix' | 'mac' | 'mtu'>;

const linkSchema = z.object({
  ifname: z.string(),
  altnames: z.array(z.string()).default([]),
  mtu: z.number(),
  address: z.string().optional(),
  flags: z.array(z.string()),
  addr_info: z
    .array(
      z.object({
        family: z.string().optional(),
        local: z.string().optional(),
        prefixlen: z.number().optional(),
      }),
    )
    .default([]),
});
const routeSchema = z.object({
  dev: z.string(),
  gateway: z.string().optional(),
  prefsrc: z.string().optional(),
});

/** A host that can run programs that change nothing. */
interface Readable {
  readonly name: string;
  run(argv: readonly string[]): Promise<RunResult>;
}

export interface DataLinkEnd {
  readonly machine: Readable;
  /** The interface that the user named; null for none. */
  readonly dev: string | null;
  /** The host's own address of the ssh connection. */
  readonly address: string;
}

/**
 * Finds the interfaces by which the hosts reach each other, one hop away on layer 2. The interface of the ssh
 * connection is preferred; otherwise the first that qualifies.
 *
 * @throws BarewireError `host-unsupported` when there is none
 */
export async function findDataLinks(
  ip: IpVersion,
  client: DataLinkEnd,
  server: DataLinkEnd,
): Promise<Readonly<Record<HostRole, NetworkHost>>> {
  const atServer = await linksOf(server, ip);
  const known = atServer.filter(({ address }) => address === server.address);
  for (const end of [...known, ...atServer.filter(({ address }) => address !== server.address)]) {
    const [there, back] = [await wayTo(client, ip, end), end];
    if (there === null) continue;
    const returned = await wayTo(server, ip, there);
    if (returned?.dev !== back.dev) continue;
    return { client: { name: 'client', index: 1, ...there }, server: { name: 'server', index: 2, ...back } };
  }
  throw noWay({ ip, client, server }, atServer);
}

// Not `-4`: it makes ip omit the MACs.
async function linksOf({ machine, dev }: DataLinkEnd, ip: IpVersion): Promise<Link[]> {
  const wanted = ip === 6 ? 'inet6' : 'inet';
  const links = await json(machine, linkSchema, ['ip', '-j', 'addr', 'show', 'up', 'scope', 'global']);
  return links
    .filter(({ flags }) => !flags.includes('LOOPBACK'))
    .filter(({ ifname, altnames }) => dev === null || ifname === dev || altnames.includes(dev))
    .flatMap(({ ifname, mtu, address: mac, addr_info }) =>
      addr_info.flatMap(({ family, local, prefixlen }) =>
        family !== wanted || local === undefined || prefixlen === undefined || mac === undefined
          ? []
          : [{ dev: ifname, address: local, prefix: prefixlen, mac, mtu }],
      ),
    );
}

/**
 * Returns the link by which packets to an address leave, if the address is a neighbour there; otherwise null.
 */
async function wayTo(end: DataLinkEnd, ip: IpVersion, { address }: Link): Promise<Link | null> {
  const { stdout, code, stderr } = await end.machine.run(['ip', '-j', 'route', 'get', address]);
  refuseBusybox(end.machine, stderr);
  if (code !== 0) return null;
  const [route] = parseIpJson(stdout, routeSchema, 'dev');
  if (route === undefined || route.gateway !== undefined) return null;
  const links = await linksOf(end, ip);
  return links.find((link) => link.dev === route.dev && link.address === route.prefsrc) ?? null;
}

async function json<T>(machine: Readable, schema: z.ZodType<T>, argv: readonly string[]): Promise<T[]> {
  const { code, stdout, stderr } = await machine.run(argv);
  refuseBusybox(machine, stderr);
  if (code === 0) return parseIpJson(stdout, schema, 'ifname');
  throw machineError(
    'process-failed',
    `${argv.join(' ')} failed on the ${machine.name}: ${stderr.trim()}`,
    'Install iproute2 4.20 or later there.',
  );
}

function refuseBusybox({ name }: Readable, stderr: string): void {
  if (!/busybox/i.test(stderr)) return;
  throw machineError(
    'missing-tool',
    `The program ip of the ${name} is that of busybox, which prints no JSON.`,
    'Install the package iproute2 there.',
  );
}

interface Sought {
  readonly ip: IpVersion;
  readonly client: DataLinkEnd;
  readonly server: DataLinkEnd;
}

function noWay({ ip, client, server }: Sought, atServer: readonly Link[]): BarewireError {
  const tried = atServer.map(({ dev, address }) => `${address} (${dev})`).join(', ');
  const named = [client, server].flatMap(({ dev }) => dev ?? []).join(' and ');
  return machineError(
    'host-unsupported',
    `The client has no direct neighbour on the server${named === '' ? '' : ` over ${named}`}: tried ${tried === '' ? `no interface, since none is up with an IPv${ip} address` : tried}.`,
    'Connect both hosts to one layer-2 segment with addresses of one subnet; name the interface by HOST/DEV.',
  );
}
