import { readFile } from 'node:fs/promises';
import { totalmem } from 'node:os';
import { bundlePath, connectAgent, freshRunId, openMachine, runCommand } from '../../machine/index.js';
import { bindSymbols, RUN_SYMBOL } from '../../network/index.js';
import { parseNginxBuild, type NginxBuild } from '../../server/index.js';
import { machineError, parseCpuList } from '../../schema/index.js';
import { waitForCarrier } from '../carrier.js';
import {
  disposeBoth,
  onBoth,
  openBoth,
  type PlannedHost,
  type PlanOptions,
  type Testbed,
  type TestbedOptions,
  type TestbedPlan,
} from '../types.js';
import { hostNetns } from './names.js';
import { hostsOf, wireSteps } from './wire.js';

const IPV6 = '/proc/sys/net/ipv6/conf/default/disable_ipv6';

/** Two namespaces of this machine and a veth pair between them. */
export async function planNetnsTestbed(options: PlanOptions): Promise<TestbedPlan> {
  const online = await readFile(ONLINE_CPUS, 'utf8').catch(() => null);
  const cpus = shareCpus(allowedCpus(await readFile('/proc/self/status', 'utf8'), online));
  const setting = await readFile(IPV6, 'utf8').catch(() => null);
  const nets = hostsOf(RUN_SYMBOL, options, hasIpv6(options, setting));
  const bundle = [process.execPath, bundlePath()];
  const nginx = await readOwnNginx();
  return {
    hosts: onBoth((role): PlannedHost => ({
      role,
      net: nets[role],
      cpus: cpus[role],
      bundle,
      memoryBytes: totalmem(),
      ...(role === 'server' && { nginx }),
    })),
    steps: wireSteps(RUN_SYMBOL, options.wire, nets),
  };
}

/** The nginx of this machine; absent where it has none, which a study reports. */
export async function readOwnNginx(): Promise<NginxBuild | undefined> {
  const versions = await runCommand(['nginx', '-V'], { netns: null, timeoutMs: 10_000 }).catch(() => null);
  if (versions?.code !== 0) return undefined;
  return parseNginxBuild(
    versions.stderr,
    await readFile('/etc/group', 'utf8').catch(() => ''),
    'this machine',
  );
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
      client: { ...client, machine: agents.client, netns: hostNetns(run, 'client') },
      server: { ...server, machine: agents.server, netns: hostNetns(run, 'server') },
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

export const ONLINE_CPUS = '/sys/devices/system/cpu/online';

/**
 * The CPUs that a process may use and that are online: the list of /proc/PID/status keeps those that were switched off.
 *
 * @param online the content of ONLINE_CPUS; null where it cannot be read
 */
export function allowedCpus(status: string, online: string | null): number[] {
  const list = /^Cpus_allowed_list:\s*(?<list>[\d,-]+)$/m.exec(status)?.groups?.['list'];
  const cpus = list === undefined ? null : parseCpuList(list);
  const running = parseCpuList(online ?? '') ?? [];
  if (cpus !== null) return running.length === 0 ? cpus : cpus.filter((cpu) => running.includes(cpu));
  throw machineError(
    'missing-kernel-feature',
    '/proc/self/status does not report the allowed CPUs of this process',
    'Mount /proc, and use Linux 2.6.24 or later.',
  );
}

export interface CpuShares {
  readonly client: readonly number[];
  readonly server: readonly number[];
}

/** The client gets the first half and the server the second. Both share a single CPU. */
export function shareCpus(cpus: readonly number[]): CpuShares {
  const half = Math.floor(cpus.length / 2);
  return half === 0
    ? { client: cpus, server: cpus }
    : { client: cpus.slice(0, half), server: cpus.slice(half) };
}
