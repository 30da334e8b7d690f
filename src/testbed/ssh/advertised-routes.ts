import * as z from 'zod';
import type { HostPlan } from '../../network/index.js';
import { machineError } from '../../schema/index.js';
import type { Host } from '../types.js';

const routeList = z.array(z.object({ dev: z.string(), protocol: z.string().optional() }));

const FORWARDING = 'net.ipv6.conf.all.forwarding';
/** Of a link's `accept_ra`: its routers are believed while the host forwards, too. */
const EVEN_AS_ROUTER = '2';

/**
 * A kernel that begins to forward IPv6 forgets the default routes that routers advertised to it (rt6_purge_dflt_routers in
 * net/ipv6/route.c), and no undo brings them back before the routers speak again: a host is not cut off for a study.
 * @throws BarewireError `host-unsupported` where a plan would do so.
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
    `The ${machine.name} has its IPv6 default route over ${lost.dev} from a router's advertisement, and would lose it when it forwards.`,
    `There: sysctl -w net.ipv6.conf.${lost.dev}.accept_ra=${EVEN_AS_ROUTER}; or measure networks that do not forward (macvlan, ipvlan).`,
  );
}
