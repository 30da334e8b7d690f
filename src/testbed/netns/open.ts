import { readFile } from 'node:fs/promises';
import { bundlePath, connectAgent, freshRunId, openMachine } from '../../machine/index.js';
import { bindSymbols, RUN_SYMBOL } from '../../network/index.js';
import { machineError } from '../../schema/index.js';
import { waitForCarrier } from '../carrier.js';
import { disposeBoth, onBoth, openBoth } from '../pair.js';
import type { PlannedHost, PlanOptions, Testbed, TestbedOptions, TestbedPlan } from '../types.js';
import { allowedCpus, shareCpus } from './cpus.js';
import { hostNetns, hostsOf, wireSteps } from './wire.js';

const IPV6 = '/proc/sys/net/ipv6/conf/default/disable_ipv6';

/** Two namespaces of this machine and a veth pair between them. */
export async function planNetnsTestbed(options: PlanOptions): Promise<TestbedPlan> {
  const cpus = shareCpus(allowedCpus(await readFile('/proc/self/status', 'utf8')));
  const setting = await readFile(IPV6, 'utf8').catch(() => null);
  const nets = hostsOf(RUN_SYMBOL, options, hasIpv6(options, setting));
  const bundle = [process.execPath, bundlePath()];
  return {
    hosts: onBoth((role): PlannedHost => ({ role, net: nets[role], cpus: cpus[role], bundle })),
    steps: wireSteps(RUN_SYMBOL, options.wire, nets),
  };
}

/** Makes the namespaces and starts an agent in each. */
export async function openNetnsTestbed(plan: TestbedPlan, options: TestbedOptions): Promise<Testbed> {
  const { run = freshRunId(), signal } = options;
  const { hosts, steps } = bindSymbols(plan, { [RUN_SYMBOL]: run });
  signal?.throwIfAborted();
  const machine = await openMachine({ run, host: 'testbed', netns: null });
  try {
    await machine.apply(steps);
    await Promise.all(
      Object.values(hosts).map(({ role, net }) => waitForCarrier(machine, [net.dev], hostNetns(run, role))),
    );
    signal?.throwIfAborted();
    const agents = await openBoth((role) => {
      const netns = hostNetns(run, role);
      const prefix = ['nsenter', `--net=/run/netns/${netns}`, '--'];
      return connectAgent({ run, host: role, netns }, { prefix });
    });
    const { client, server } = hosts;
    const shared = client.cpus.some((cpu) => server.cpus.includes(cpu));
    return {
      kind: 'netns',
      run,
      client: { ...client, machine: agents.client },
      server: { ...server, machine: agents.server },
      limitations: [
        { code: 'limitation', limitation: 'one-kernel' },
        { code: 'limitation', limitation: 'veth-wire' },
        { code: 'limitation', limitation: 'this-machine-only' },
        { code: 'limitation', limitation: shared ? 'shared-cpus' : 'separate-cpus' },
      ],
      // The agents undo their steps while their namespaces exist. Then the namespaces are deleted, whatever
      // the agents report.
      [Symbol.asyncDispose]: async () => {
        try {
          await disposeBoth(agents);
        } finally {
          await machine[Symbol.asyncDispose]();
        }
      },
    };
  } catch (error) {
    await machine[Symbol.asyncDispose]();
    throw error;
  }
}

/**
 * Returns whether this kernel has IPv6. `setting` is the content of
 * /proc/sys/net/ipv6/conf/default/disable_ipv6.
 *
 * @throws BarewireError `missing-kernel-feature` where the study runs over IPv6 and the kernel has none
 */
function hasIpv6({ ip = 4 }: Pick<PlanOptions, 'ip'>, setting: string | null | undefined): boolean {
  const has = setting !== null && setting !== undefined;
  if (has || ip === 4) return has;
  throw machineError(
    'missing-kernel-feature',
    'This kernel has no IPv6.',
    'Boot without ipv6.disable=1, or measure over IPv4.',
  );
}
