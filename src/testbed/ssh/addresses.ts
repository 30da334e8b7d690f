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
