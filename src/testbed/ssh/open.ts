import { connectAgent, freshRunId, runCommand, type Machine } from '../../machine/index.js';
import type { IpVersion, NetworkHost } from '../../network/index.js';
import { type BarewireError, machineError, userError } from '../../schema/index.js';
import { allowedCpus } from '../netns/cpus.js';
import type { Host, HostRole, Testbed, TestbedOptions } from '../types.js';
import { assertKeepsRoutes } from './advertised-routes.js';
import { assertFree } from './addresses.js';
import { readBundle } from './bundle.js';
import { findDataLinks } from './data-link.js';
import { prepareRemoteHost, type RemoteHost } from './remote-host.js';
import { sshArgv, type SshRunOptions } from './ssh-connection.js';
import { parseTarget, type SshTarget } from './target.js';

const STATUS = '/proc/self/status';
/** What a network, a server or the path check runs on a host, with Debian's package of it. */
const TOOLS: Readonly<Record<string, string>> = {
  ip: 'iproute2',
  bridge: 'iproute2',
  tc: 'iproute2',
  nginx: 'nginx-light',
  nsenter: 'util-linux',
  taskset: 'util-linux',
  ping: 'iputils-ping',
};

/** Two machines of the user's, each with an agent over the system's ssh. Nothing of this machine is changed. */
export async function openSshTestbed(options: TestbedOptions): Promise<Testbed> {
  const { run = freshRunId(), hosts, signal } = options;
  if (hosts === undefined) throw noHosts();
  const targets = { client: parseTarget(hosts.client), server: parseTarget(hosts.server) };
  signal?.throwIfAborted();
  const bundle = await readBundle();
  const config = hosts.config ?? null;
  const prepare = (role: HostRole): Promise<RemoteHost> =>
    prepareRemoteHost(here, { destination: targets[role].destination, config }, bundle);
  const [client, server] = await both(prepare('client'), prepare('server'));
  signal?.throwIfAborted();
  const machines = await connectBoth(run, { client, server });
  try {
    return await assemble({ run, ip: options.ip ?? 4, targets, far: { client, server } }, machines);
  } catch (error) {
    await Promise.allSettled(Object.values(machines).map((machine) => machine[Symbol.asyncDispose]()));
    throw error;
  }
}

type Machines = Readonly<Record<HostRole, Machine>>;

async function connectBoth(run: string, far: Readonly<Record<HostRole, RemoteHost>>): Promise<Machines> {
  const connecting = [connect(run, 'client', far.client), connect(run, 'server', far.server)] as const;
  try {
    const [client, server] = await both(...connecting);
    return { client, server };
  } catch (error) {
    for (const outcome of await Promise.allSettled(connecting))
      if (outcome.status === 'fulfilled') await outcome.value[Symbol.asyncDispose]();
    throw error;
  }
}

/** Both to their end; then the first failure is thrown, the client's before the server's. */
async function both<T>(...work: readonly [Promise<T>, Promise<T>]): Promise<[T, T]> {
  const [client, server] = await Promise.allSettled(work);
  if (client.status === 'rejected') throw client.reason;
  if (server.status === 'rejected') throw server.reason;
  return [client.value, server.value];
}

const here: SshRunOptions = (argv, options) => runCommand(argv, { netns: null, ...options });

function connect(run: string, role: HostRole, { reach, sudo, bundle }: RemoteHost): Promise<Machine> {
  const prefix = [...sshArgv(reach), 'exec', ...(sudo ? ['sudo', '-n'] : [])];
  return connectAgent(
    { run, host: role, netns: null },
    { prefix, throughShell: true, bundle, standalone: true },
  );
}

interface Reached {
  readonly run: string;
  readonly ip: IpVersion;
  readonly targets: Readonly<Record<HostRole, SshTarget>>;
  readonly far: Readonly<Record<HostRole, RemoteHost>>;
}

async function assemble({ run, ip, targets, far }: Reached, machines: Machines): Promise<Testbed> {
  const end = (role: HostRole) => ({
    machine: machines[role],
    dev: targets[role].dev,
    address: far[role].address,
  });
  await Promise.all([requireTools(machines.client), requireTools(machines.server)]);
  const links = await findDataLinks(ip, end('client'), end('server'));
  const client = await hostOf('client', machines.client, links.client);
  const server = await hostOf('server', machines.server, links.server);
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
    [Symbol.asyncDispose]: async () => {
      const closed = await Promise.allSettled(
        [client, server].map(({ machine }) => machine[Symbol.asyncDispose]()),
      );
      for (const outcome of closed) if (outcome.status === 'rejected') throw outcome.reason;
    },
  };
}

async function hostOf(role: HostRole, machine: Machine, net: NetworkHost): Promise<Host> {
  const { files } = await machine.readFiles([STATUS]);
  return { role, machine, net, cpus: allowedCpus(files[STATUS] ?? '') };
}

async function requireTools(machine: Machine): Promise<void> {
  const names = Object.keys(TOOLS);
  const answers = await machine.probe(names.map((name) => ({ kind: 'tool', name })));
  const missing = names.filter((_, at) => answers[at]?.answer === 'no');
  if (missing.length === 0) return;
  const packages = [...new Set(missing.map((name) => TOOLS[name] ?? name))];
  throw machineError(
    'missing-tool',
    `The ${machine.name} does not have ${missing.join(', ')}.`,
    `There, on Debian or Ubuntu: RUNLEVEL=1 apt-get install --no-install-recommends ${packages.join(' ')}`,
  );
}

const noHosts = (): BarewireError =>
  userError(
    'The ssh testbed needs two machines.',
    'Write --testbed ssh:CLIENT,SERVER with names that ssh knows.',
  );
