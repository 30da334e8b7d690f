import { connectAgent, freshRunId, runCommand, type Machine } from '../../machine/index.js';
import { installCommand, machineError, toolsOf } from '../../schema/index.js';
import { allowedCpus } from '../netns/cpus.js';
import { both, disposeBoth, openBoth, type Pair } from '../pair.js';
import type {
  Host,
  HostRole,
  PlannedHost,
  PlanOptions,
  Testbed,
  TestbedOptions,
  TestbedPlan,
} from '../types.js';
import { assertFree, assertKeepsRoutes } from './plan-checks.js';
import { readBundle } from './bundle.js';
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
      return { role, net: links[role], cpus, bundle: remote[role].bundle };
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
  const answers = await machine.probe(names.map((name) => ({ kind: 'tool', name })));
  const missing = names.filter((_, at) => answers[at]?.answer === 'no');
  if (missing.length === 0) return;
  throw machineError(
    'missing-tool',
    `The ${machine.name} lacks ${missing.join(', ')}.`,
    `There, on Debian or Ubuntu: ${installCommand(missing)}`,
  );
}
