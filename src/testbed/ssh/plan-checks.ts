import * as z from 'zod';
import type { HostPlan } from '../../network/index.js';
import { machineError } from '../../schema/index.js';
import type { Host } from '../types.js';

const neighbours = z.array(z.object({ lladdr: z.string().optional() }));

/**
 * Checks by ARP, which no firewall blocks, that the addresses of containers on the hosts' own segment are
 * free.
 *
 * @throws BarewireError `host-unsupported` with the address and the MAC of its owner
 */
export async function assertFree(hosts: readonly Host[], plans: readonly HostPlan[]): Promise<void> {
  const addresses = plans.map(({ container }) => container).filter(({ netns }) => netns !== null);
  await Promise.all(addresses.flatMap(({ address }) => hosts.map((host) => assertFreeOn(host, address))));
}

async function assertFreeOn({ machine, net }: Host, address: string): Promise<void> {
  const route = await machine.run(['ip', 'route', 'get', address]);
  // An address outside the segment is routed into one of the study's subnets.
  if (!route.stdout.includes(` dev ${net.dev} `) || route.stdout.includes(' via ')) return;
  await machine.run(['ping', '-c', '1', '-w', '1', '-I', net.dev, address]);
  const { stdout } = await machine.run(['ip', '-j', 'neigh', 'show', 'to', address, 'dev', net.dev]);
  const owner = neighbours.parse(JSON.parse(stdout)).find(({ lladdr }) => lladdr !== undefined)?.lladdr;
  if (owner === undefined) return;
  throw machineError(
    'host-unsupported',
    `${address}, the address of a container on the segment of the ${machine.name}, belongs to ${owner}.`,
    'Measure networks with a subnet per host there (flannel-*, ipvlan-l3), or use a segment without other machines.',
  );
}

const routeList = z.array(z.object({ dev: z.string(), protocol: z.string().optional() }));

const FORWARDING = 'net.ipv6.conf.all.forwarding';
/** A link with this `accept_ra` accepts router advertisements while the host forwards. */
const EVEN_AS_ROUTER = '2';

/**
 * A kernel that starts to forward IPv6 deletes the default routes from router advertisements
 * (rt6_purge_dflt_routers in net/ipv6/route.c), and no undo restores them before the next advertisement. A
 * study must not cut a host off.
 *
 * @throws BarewireError `host-unsupported` where a plan would do so
 */
export async function assertKeepsRoutes(hosts: readonly Host[], plans: readonly HostPlan[]): Promise<void> {
  const forward = plans.some(({ steps }) =>
    steps.some((step) => step.do.kind === 'sysctl' && step.do.key === FORWARDING),
  );
  if (forward) await Promise.all(hosts.map(assertKeeps));
}

async function assertKeeps({ machine }: Host): Promise<void> {
  const { stdout } = await machine.run(['ip', '-6', '-j', 'route', 'show', 'default']);
  const advertised = routeList
    .parse(JSON.parse(stdout.trim() === '' ? '[]' : stdout))
    .filter(({ protocol }) => protocol === 'ra')
    .map(({ dev }) => ({ dev, setting: `/proc/sys/net/ipv6/conf/${dev}/accept_ra` }));
  const { files } = await machine.readFiles(advertised.map(({ setting }) => setting));
  const lost = advertised.find(({ setting }) => files[setting]?.trim() !== EVEN_AS_ROUTER);
  if (lost === undefined) return;
  throw machineError(
    'host-unsupported',
    `The IPv6 default route of the ${machine.name} over ${lost.dev} comes from a router advertisement and would be lost when the host forwards.`,
    `Run there: sysctl -w net.ipv6.conf.${lost.dev}.accept_ra=${EVEN_AS_ROUTER}; or measure networks that do not forward (macvlan, ipvlan).`,
  );
}
