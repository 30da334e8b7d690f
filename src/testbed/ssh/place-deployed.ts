import * as z from 'zod';
import type { Machine } from '../../machine/index.js';
import type { HostPlan } from '../../network/index.js';
import { machineError, type Step } from '../../schema/index.js';
import { both, type Host, type HostRole, type Pair, type Placement } from '../types.js';
import { containerNameOf, DEPLOYED_LINK } from './deployed.js';

const linksSchema = z.array(
  z.object({
    mtu: z.number(),
    addr_info: z.array(z.object({ local: z.string(), family: z.string(), scope: z.string() })),
  }),
);
const routesSchema = z.array(z.object({ dev: z.string(), gateway: z.string().optional() }));

/** Attaches a container to the deployed network on each host, and reads what the plugin has made. */
export async function placeDeployed(
  hosts: Pair<Host>,
  run: string,
  ip: 4 | 6,
  steps: Pair<readonly Step[]>,
): Promise<Placement> {
  const links = await both(async (role) => {
    const { machine } = hosts[role];
    await machine.apply(steps[role]);
    return await readLink(machine, containerNameOf(run, role), ip);
  });
  const plan = async (role: HostRole, other: HostRole): Promise<HostPlan> => {
    const { machine, net } = hosts[role];
    const { address: peer } = links[other];
    const netns = containerNameOf(run, role);
    const inside = await routeTo(machine, peer, netns);
    // The tunnel, where the backend has one; otherwise the interface.
    const outside = await routeTo(machine, peer);
    return {
      host: role,
      // Nothing of the network is built.
      steps: [],
      container: {
        netns,
        link: DEPLOYED_LINK,
        ...links[role],
        nexthop: inside.gateway === undefined ? `dev ${inside.dev}` : `via ${inside.gateway}`,
      },
      extraContainers: [],
      path: [
        ...[...new Set([net.dev, outside.dev])].map((link) => ({ netns: null, link })),
        { netns, link: DEPLOYED_LINK },
      ],
      bypass: [null, netns].map((place) => ({ netns: place, link: 'lo' })),
    };
  };
  const [client, server] = await Promise.all([plan('client', 'server'), plan('server', 'client')]);
  return { plans: { client, server } };
}

async function readLink(
  machine: Machine,
  netns: string,
  ip: 4 | 6,
): Promise<{ readonly address: string; readonly mtu: number }> {
  const [link] = linksSchema.parse(await json(machine, ['addr', 'show', 'dev', DEPLOYED_LINK], netns));
  const family = ip === 6 ? 'inet6' : 'inet';
  const address = link?.addr_info.find((one) => one.family === family && one.scope === 'global')?.local;
  if (link !== undefined && address !== undefined) return { address, mtu: link.mtu };
  throw machineError(
    'host-unsupported',
    `The CNI plugin on the ${machine.name} gave its container no IPv${ip} address.`,
    'See there: barewire node status',
  );
}

async function routeTo(machine: Machine, peer: string, netns?: string) {
  const [route] = routesSchema.parse(await json(machine, ['route', 'get', peer], netns));
  if (route !== undefined) return route;
  throw machineError(
    'host-unsupported',
    `The ${machine.name} has no route to ${peer} in the deployed network.`,
    'See there which peers it does not use: barewire node status',
  );
}

async function json(machine: Machine, args: readonly string[], netns?: string): Promise<unknown> {
  const { code, stdout, stderr } = await machine.run(
    ['ip', '-j', ...args],
    netns === undefined ? {} : { netns },
  );
  if (code === 0) return JSON.parse(stdout);
  throw machineError(
    'process-failed',
    `ip ${args.join(' ')} failed on the ${machine.name}: ${stderr.trim()}`,
    'See there: barewire node status',
  );
}
