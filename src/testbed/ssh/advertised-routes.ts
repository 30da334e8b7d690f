import * as z from 'zod';
import type { HostPlan } from '../../network/index.js';
import { machineError } from '../../schema/index.js';
import type { Host } from '../types.js';

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
