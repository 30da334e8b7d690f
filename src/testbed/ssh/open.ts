import { connectAgent, freshRunId, runCommand, type Machine } from '../../machine/index.js';
import type { IpVersion, NetworkHost } from '../../network/index.js';
import { machineError } from '../../schema/index.js';
import { allowedCpus } from '../netns/cpus.js';
import { both, disposeBoth, openBoth, type Pair } from '../pair.js';
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

/** Two machines as ssh knows them. */
export interface SshHosts {
  readonly client: string;
  readonly server: string;
  readonly config?: string | undefined;
}

/** Two of the user's machines, each with an agent over the system's ssh. This machine is not changed. */
export async function openSshTestbed(
  options: TestbedOptions & { readonly hosts: SshHosts },
): Promise<Testbed> {
  const { run = freshRunId(), hosts, signal } = options;
  const targets = { client: parseTarget(hosts.client), server: parseTarget(hosts.server) };
  signal?.throwIfAborted();
  const bundle = await readBundle();
  const config = hosts.config ?? null;
  const prepare = (role: HostRole): Promise<RemoteHost> =>
    prepareRemoteHost(here, { destination: targets[role].destination, config }, bundle);
  const remote = await both(prepare);
  signal?.throwIfAborted();
  const machines = await openBoth((role) => connect(run, role, remote[role]));
  try {
    return await assemble({ run, ip: options.ip ?? 4, targets, remote }, machines);
  } catch (error) {
    await disposeBoth(machines).catch(() => undefined);
    throw error;
  }
}

const here: SshRunOptions = (argv, options) => runCommand(argv, { netns: null, ...options });

function connect(run: string, role: HostRole, { reach, sudo, bundle }: RemoteHost): Promise<Machine> {
  const prefix = [...sshArgv(reach), 'exec', ...(sudo ? ['sudo', '-n'] : [])];
  return connectAgent(
    { run, host: role, netns: null },
    { prefix, throughShell: true, bundle, standalone: true },
  );
}

interface SshBase {
  readonly run: string;
  readonly ip: IpVersion;
  readonly targets: Pair<SshTarget>;
  readonly remote: Pair<RemoteHost>;
}

async function assemble({ run, ip, targets, remote }: SshBase, machines: Pair<Machine>): Promise<Testbed> {
  const end = (role: HostRole) => ({
    machine: machines[role],
    dev: targets[role].dev,
    address: remote[role].address,
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
    [Symbol.asyncDispose]: () => disposeBoth(machines),
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
