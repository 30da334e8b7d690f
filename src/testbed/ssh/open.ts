import * as z from 'zod';
import { missingCapabilities } from '../../linux/index.js';
import { connectAgent, freshRunId, type Machine } from '../../machine/index.js';
import { parseIpJson } from '../ip-json.js';
import { bindSymbols, RUN_SYMBOL, type HostPlan } from '../../network/index.js';
import { installCommand, machineError, PACKAGE_MANAGERS, toolsOf } from '../../schema/index.js';
import {
  both,
  disposeBoth,
  openBoth,
  type Host,
  type Testbed,
  type TestbedOptions,
  type TestbedPlan,
} from '../types.js';
import { readBundle } from '../bundle.js';
import { placeDeployed } from './place-deployed.js';
import { prepareRemoteHost, type RemoteHost } from './remote-host.js';
import { sshArgv, parseTarget } from './ssh-connection.js';
import { here, targetsOf, type SshHosts } from './plan.js';

/** Connects to an agent on each machine by the system's ssh. This machine is not changed. */
export async function openSshTestbed(
  plan: TestbedPlan,
  hosts: SshHosts,
  { run = freshRunId(), ip = 4, signal }: TestbedOptions,
): Promise<Testbed> {
  signal?.throwIfAborted();
  const bundle = await readBundle();
  const targets = targetsOf(hosts);
  const remote = await both((role) => prepareRemoteHost(here, targets[role], bundle));
  signal?.throwIfAborted();
  const machines = await openBoth((role) => connect(run, role, remote[role]));
  try {
    await both((role) => requireTools(machines[role]));
    const client: Host = { ...plan.hosts.client, machine: machines.client };
    const server: Host = { ...plan.hosts.server, machine: machines.server };
    const { deployed } = plan;
    return {
      kind: 'ssh',
      run,
      client,
      server,
      limitations: [
        ...(plan.warnings ?? []),
        { code: 'limitation', limitation: 'other-traffic' },
        { code: 'limitation', limitation: 'client-clock' },
      ],
      checkPlans: async (plans) => {
        await assertFree([client, server], plans);
        await assertKeepsRoutes([client, server], plans);
      },
      ...(deployed !== undefined && {
        describeNetwork: () => deployed.what,
        placeContainers: () =>
          placeDeployed({ client, server }, run, ip, bindSymbols(deployed.steps, { [RUN_SYMBOL]: run })),
      }),
      [Symbol.asyncDispose]: () => disposeBoth(machines),
    };
  } catch (error) {
    await disposeBoth(machines).catch(() => undefined);
    throw error;
  }
}

/** Connects to one machine, which is locked and restored from ended runs first. */
export async function openSshHost(
  run: string,
  name: string,
): Promise<{ readonly machine: Machine; readonly bundle: readonly string[] }> {
  const bundle = await readBundle();
  const remote = await prepareRemoteHost(here, { ...parseTarget(name), config: null }, bundle);
  return { machine: await connect(run, 'tuning', remote), bundle: remote.bundle };
}

function connect(run: string, host: string, { reach, sudo, bundle }: RemoteHost): Promise<Machine> {
  const prefix = [...sshArgv(reach), 'exec', ...(sudo ? ['sudo', '-n'] : [])];
  return connectAgent({ run, host, netns: null }, { prefix, throughShell: true, bundle, standalone: true });
}

/** @throws BarewireError `missing-tool`, `not-root`, with the remedy for the host's distribution */
async function requireTools(machine: Machine): Promise<void> {
  const names = toolsOf('study');
  const tools = [...names, ...PACKAGE_MANAGERS].map((name) => ({ kind: 'tool', name }) as const);
  const results = await machine.probe(tools);
  const isInstalled = (wanted: string): boolean =>
    results[tools.findIndex(({ name }) => name === wanted)]?.answer !== 'no';
  const missing = names.filter((name) => !isInstalled(name));
  const manager = PACKAGE_MANAGERS.find(isInstalled) ?? null;
  if (missing.length > 0)
    throw machineError(
      'missing-tool',
      `The ${machine.name} lacks ${missing.join(', ')}.`,
      `Run there: ${installCommand(missing, manager)}`,
    );
  const { files } = await machine.readFiles(['/proc/thread-self/status']);
  const capabilities = missingCapabilities(files['/proc/thread-self/status'] ?? '');
  if (capabilities.length > 0)
    throw machineError(
      'not-root',
      `Root of the ${machine.name} lacks ${capabilities.join(', ')}, as in a container.`,
      'Name the host itself, or give the container these capabilities.',
    );
}

const neighbourSchema = z.object({ lladdr: z.string().optional() });

/**
 * Checks by ARP, which no firewall blocks, that the addresses of containers on the hosts' own segment are
 * free.
 *
 * @throws BarewireError `host-unsupported` with the address and the MAC of its owner
 */
async function assertFree(hosts: readonly Host[], plans: readonly HostPlan[]): Promise<void> {
  const addresses = plans.map(({ container }) => container).filter(({ netns }) => netns !== null);
  await Promise.all(addresses.flatMap(({ address }) => hosts.map((host) => assertFreeOn(host, address))));
}

async function assertFreeOn({ machine, net }: Host, address: string): Promise<void> {
  const route = await machine.run(['ip', 'route', 'get', address]);
  // An address outside the segment is routed into one of the study's subnets.
  if (!route.stdout.includes(` dev ${net.dev} `) || route.stdout.includes(' via ')) return;
  await machine.run(['ping', '-c', '1', '-w', '1', '-I', net.dev, address]);
  const { stdout } = await machine.run(['ip', '-j', 'neigh', 'show', 'to', address, 'dev', net.dev]);
  const owner = parseIpJson(stdout, neighbourSchema, 'lladdr').find(
    ({ lladdr }) => lladdr !== undefined,
  )?.lladdr;
  if (owner === undefined) return;
  throw machineError(
    'host-unsupported',
    `${address}, the address of a container on the segment of the ${machine.name}, belongs to ${owner}.`,
    'Measure networks with a subnet per host there (flannel-*, ipvlan-l3), or use a segment without other machines.',
  );
}

const routeSchema = z.object({ dev: z.string(), protocol: z.string().optional() });

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
async function assertKeepsRoutes(hosts: readonly Host[], plans: readonly HostPlan[]): Promise<void> {
  const forward = plans.some(({ steps }) =>
    steps.some((step) => step.do.kind === 'sysctl' && step.do.key === FORWARDING),
  );
  if (forward) await Promise.all(hosts.map(assertKeeps));
}

async function assertKeeps({ machine }: Host): Promise<void> {
  const { stdout } = await machine.run(['ip', '-6', '-j', 'route', 'show', 'default']);
  const advertised = parseIpJson(stdout, routeSchema, 'dev')
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
