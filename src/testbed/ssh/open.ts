import * as z from 'zod';
import { connectAgent, freshRunId, runCommand, type Machine } from '../../machine/index.js';
import { parseSpeed } from '../nic.js';
import type { HostPlan } from '../../network/index.js';
import { installCommand, machineError, toolsOf } from '../../schema/index.js';
import { allowedCpus } from '../netns/open.js';
import {
  both,
  disposeBoth,
  openBoth,
  type Pair,
  type Host,
  type HostRole,
  type PlannedHost,
  type PlanOptions,
  type Testbed,
  type TestbedOptions,
  type TestbedPlan,
} from '../types.js';
import { readBundle } from '../bundle.js';
import { findDataLinks } from './data-link.js';
import { HostReader, prepareRemoteHost, queryRemoteHost, type RemoteHost } from './remote-host.js';
import {
  sshArgv,
  type SshConnection,
  type SshRunOptions,
  parseTarget,
  type SshTarget,
} from './ssh-connection.js';

/** Two machines by their names for ssh. */
export interface SshHosts {
  readonly client: string;
  readonly server: string;
  readonly config?: string | undefined;
}

/** Reads both machines over ssh: their data interfaces, addresses and CPUs. */
export async function planSshTestbed(hosts: SshHosts, { ip = 4 }: PlanOptions): Promise<TestbedPlan> {
  const bundle = await readBundle();
  const targets = targetsOf(hosts);
  const remote = await both((role) => queryRemoteHost(here, targets[role], bundle));
  const reader = (role: HostRole): HostReader => new HostReader(here, role, targets[role]);
  const end = (role: HostRole) => ({
    machine: reader(role),
    dev: targets[role].dev,
    address: remote[role].address,
  });
  const links = await findDataLinks(ip, end('client'), end('server'));
  return {
    hosts: await both(async (role): Promise<PlannedHost> => {
      const cpus = allowedCpus(await reader(role).readFile('/proc/self/status'));
      const speed = await reader(role)
        .readFile(`/sys/class/net/${links[role].dev}/speed`)
        .catch(() => null);
      const linkMbps = parseSpeed(speed);
      const memoryKb = /^MemTotal: +(\d+) kB$/m.exec(await reader(role).readFile('/proc/meminfo'))?.[1];
      return {
        role,
        net: links[role],
        cpus,
        bundle: remote[role].bundle,
        ...(linkMbps === null ? {} : { linkMbps }),
        ...(memoryKb === undefined ? {} : { memoryBytes: Number(memoryKb) * 1_024 }),
      };
    }),
    steps: [],
  };
}

/** Connects to an agent on each machine by the system's ssh. This machine is not changed. */
export async function openSshTestbed(
  plan: TestbedPlan,
  hosts: SshHosts,
  { run = freshRunId(), signal }: TestbedOptions,
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
    return {
      kind: 'ssh',
      run,
      client,
      server,
      limitations: [
        { code: 'limitation', limitation: 'other-traffic' },
        { code: 'limitation', limitation: 'client-clock' },
      ],
      checkPlans: async (plans) => {
        await assertFree([client, server], plans);
        await assertKeepsRoutes([client, server], plans);
      },
      [Symbol.asyncDispose]: () => disposeBoth(machines),
    };
  } catch (error) {
    await disposeBoth(machines).catch(() => undefined);
    throw error;
  }
}

const here: SshRunOptions = (argv, options) => runCommand(argv, { netns: null, ...options });

const targetsOf = ({ client, server, config }: SshHosts): Pair<SshTarget & SshConnection> => ({
  client: { ...parseTarget(client), config: config ?? null },
  server: { ...parseTarget(server), config: config ?? null },
});

function connect(run: string, role: HostRole, { reach, sudo, bundle }: RemoteHost): Promise<Machine> {
  const prefix = [...sshArgv(reach), 'exec', ...(sudo ? ['sudo', '-n'] : [])];
  return connectAgent(
    { run, host: role, netns: null },
    { prefix, throughShell: true, bundle, standalone: true },
  );
}

async function requireTools(machine: Machine): Promise<void> {
  const names = toolsOf('study');
  const results = await machine.probe(names.map((name) => ({ kind: 'tool', name })));
  const missing = names.filter((_, at) => results[at]?.answer === 'no');
  if (missing.length === 0) return;
  throw machineError(
    'missing-tool',
    `The ${machine.name} lacks ${missing.join(', ')}.`,
    `There, on Debian or Ubuntu: ${installCommand(missing)}`,
  );
}

const neighbours = z.array(z.object({ lladdr: z.string().optional() }));

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
async function assertKeepsRoutes(hosts: readonly Host[], plans: readonly HostPlan[]): Promise<void> {
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
