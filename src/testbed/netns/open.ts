import { connectAgent, freshRunId, openMachine, type Machine } from '../../machine/index.js';
import type { Host, HostRole, Testbed, TestbedOptions } from '../types.js';
import { waitForCarrier } from '../carrier.js';
import { disposeBoth, openBoth } from '../pair.js';
import { allowedCpus, shareCpus, type CpuShares } from './cpus.js';
import { hasIpv6 } from './ipv6.js';
import { hostNetns, hostsOf, wireSteps } from './wire.js';
import type { Finding } from '../../schema/index.js';

const IPV6 = '/proc/sys/net/ipv6/conf/default/disable_ipv6';
const STATUS = '/proc/self/status';

/** Two namespaces of this machine, a veth pair between them, and an agent in each. */
export async function openNetnsTestbed(options: TestbedOptions): Promise<Testbed> {
  const { run = freshRunId(), wire, signal } = options;
  signal?.throwIfAborted();
  const machine = await openMachine({ run, host: 'testbed', netns: null });
  try {
    const { files } = await machine.readFiles([STATUS, IPV6]);
    const cpus = shareCpus(allowedCpus(files[STATUS] ?? ''));
    const hosts = hostsOf(run, options, hasIpv6(options, files[IPV6]));
    await machine.apply(wireSteps(run, wire, hosts));
    const ends = [hosts.client, hosts.server];
    await Promise.all(ends.map(({ name, dev }) => waitForCarrier(machine, [dev], hostNetns(run, name))));
    signal?.throwIfAborted();
    return await withAgents({ run, hosts, machine, cpus });
  } catch (error) {
    await machine[Symbol.asyncDispose]();
    throw error;
  }
}

interface NetnsBase {
  readonly run: string;
  readonly hosts: ReturnType<typeof hostsOf>;
  readonly machine: Machine;
  readonly cpus: CpuShares;
}

async function withAgents({ run, hosts, machine, cpus }: NetnsBase): Promise<Testbed> {
  const agents = await openBoth((role) => connect(run, role));
  const host = (role: HostRole): Host => ({
    role,
    machine: agents[role],
    net: hosts[role],
    cpus: cpus[role],
  });
  return {
    kind: 'netns',
    run,
    client: host('client'),
    server: host('server'),
    limitations: findLimitations(cpus),
    // The agents undo their steps while their namespaces exist; then the namespaces go, whatever the agents report.
    [Symbol.asyncDispose]: async () => {
      try {
        await disposeBoth(agents);
      } finally {
        await machine[Symbol.asyncDispose]();
      }
    },
  };
}

function connect(run: string, role: HostRole): Promise<Machine> {
  const netns = hostNetns(run, role);
  const prefix = ['nsenter', `--net=/run/netns/${netns}`, '--'];
  return connectAgent({ run, host: role, netns }, { prefix });
}

function findLimitations({ client, server }: CpuShares): Finding[] {
  const shared = client.some((cpu) => server.includes(cpu));
  return [
    { code: 'limitation', limitation: 'one-kernel' },
    { code: 'limitation', limitation: 'veth-wire' },
    { code: 'limitation', limitation: 'this-machine-only' },
    { code: 'limitation', limitation: shared ? 'shared-cpus' : 'separate-cpus' },
  ];
}
