import { readFile } from 'node:fs/promises';
import {
  findAccelerator,
  findKernel,
  guestBindings,
  initramfsFor,
  MEMORY_MIB,
  requireGuests,
  SYMBOLIC_GUEST,
} from '../../guest/index.js';
import { bundlePath, freshRunId, openMachine, type Machine } from '../../machine/index.js';
import { bindSymbols, RUN_SYMBOL } from '../../network/index.js';
import { bug, type Step } from '../../schema/index.js';
import { allowedCpus, ONLINE_CPUS, readOwnNginx, shareCpus, type CpuShares } from '../netns/open.js';
import { hostsOf } from '../netns/wire.js';
import {
  disposeBoth,
  onBoth,
  openBoth,
  type Pair,
  type HostRole,
  type PlanOptions,
  type Testbed,
  type TestbedOptions,
  type TestbedPlan,
} from '../types.js';
import { baseSteps } from './base.js';
import { bootGuest, qemuStep } from './guest.js';
import { knownHostsStep, makeKeys } from './keys.js';
import { guestFolder, nicsOf, ROLES, WIRE_ROUTER } from './plan.js';

const IPV6 = '/proc/sys/net/ipv6/conf/default/disable_ipv6';

/** Two guests, each with its own kernel, and a wire of taps and a bridge between them. The guests are the last steps. */
export async function planVmTestbed(options: PlanOptions): Promise<TestbedPlan> {
  const { count, pinnedTo } = await guestCpus();
  const { wire } = options;
  const placed = hostsOf(RUN_SYMBOL, options);
  const hosts = onBoth((role) => {
    const { vpc, ...host } = placed[role];
    return { ...host, ...(vpc !== undefined && { vpc: { dev: host.dev, router: WIRE_ROUTER } }) };
  });
  const ipv6 = await readFile(IPV6, 'utf8').then(
    () => true,
    () => false,
  );
  const { kernel } = SYMBOLIC_GUEST;
  const guest = (role: HostRole): Step => {
    const own = guestFolder(RUN_SYMBOL, role);
    const nics = nicsOf(RUN_SYMBOL, hosts[role], role, wire, count);
    const qemu = { ...SYMBOLIC_GUEST, cpus: count, memoryMiB: MEMORY_MIB, own, nics };
    return qemuStep(RUN_SYMBOL, role, qemu, pinnedTo[role]);
  };
  const cpus = Array.from({ length: count }, (_, cpu) => cpu);
  const bundle = [process.execPath, bundlePath()];
  // The guests have the programs of this machine.
  const nginx = await readOwnNginx();
  return {
    hosts: onBoth((role) => ({
      role,
      net: hosts[role],
      cpus,
      bundle,
      ...(role === 'server' && { nginx }),
    })),
    steps: [
      ...baseSteps({ run: RUN_SYMBOL, wire, hosts, kernel, queues: count, ipv6 }),
      knownHostsStep(RUN_SYMBOL),
      ...ROLES.map(guest),
    ],
  };
}

/** Finds the kernel and the accelerator, and boots both guests. `image` is a bzImage, or null for a kernel of Barewire's choice. */
export async function openVmTestbed(
  plan: TestbedPlan,
  image: string | null,
  { run = freshRunId(), signal }: TestbedOptions,
): Promise<Testbed> {
  signal?.throwIfAborted();
  const machine = await openMachine({ run, host: 'testbed', netns: null });
  try {
    const busybox = await requireGuests(machine);
    const kernel = await findKernel(machine, { image, ...(signal && { signal }) });
    const initramfs = await initramfsFor(machine, kernel, busybox, signal);
    const accelerator = await findAccelerator(machine, kernel, initramfs);
    const found = guestBindings({ kernel, initramfs, accelerator });
    const { hosts, steps } = bindSymbols(plan, { [RUN_SYMBOL]: run, ...found });
    await machine.apply(steps.slice(0, -3));
    const keys = await makeKeys(machine, run);
    await machine.apply(bindSymbols(steps.slice(-3, -2), keys));
    signal?.throwIfAborted();
    const [clientStep, serverStep] = steps.slice(-2);
    if (clientStep === undefined || serverStep === undefined) throw bug('the plan has no guests');
    const guests = await bootBoth(({ role, signal: either }) => {
      const step = { client: clientStep, server: serverStep }[role];
      return bootGuest(machine, { run, role, step, accelerator, signal: either });
    }, signal);
    const ownCpus = clientStep.do.kind === 'process' && clientStep.do.cpus.length > 0;
    return {
      kind: 'vm',
      run,
      client: { ...hosts.client, machine: guests.client },
      server: { ...hosts.server, machine: guests.server },
      limitations: [
        ...(accelerator === 'tcg' ? [{ code: 'limitation', limitation: 'emulated-guests' } as const] : []),
        { code: 'limitation', limitation: 'bridge-wire' },
        {
          code: 'limitation',
          limitation: ownCpus ? 'guests-own-cpus' : 'guests-share-cpus',
        },
      ],
      emulated: accelerator === 'tcg',
      // The agents undo their steps first. Then the guests stop, whatever the agents report.
      [Symbol.asyncDispose]: async () => {
        try {
          await disposeBoth(guests);
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

const MOST_CPUS = 8;

/**
 * The number of CPUs of each guest, and the machine's CPUs that each may use (empty leaves it to the scheduler). A guest of one
 * CPU would have one queue: on a machine too small for two each, the guests share its CPUs.
 */
async function guestCpus(): Promise<{ readonly count: number; readonly pinnedTo: CpuShares }> {
  const online = await readFile(ONLINE_CPUS, 'utf8').catch(() => null);
  const shares = shareCpus(allowedCpus(await readFile('/proc/self/status', 'utf8'), online));
  const count = Math.min(shares.client.length, shares.server.length);
  if (count < 2) return { count: 2, pinnedTo: { client: [], server: [] } };
  return { count: Math.min(count, MOST_CPUS), pinnedTo: shares };
}

interface GuestTask {
  readonly role: HostRole;
  readonly signal: AbortSignal;
}

/** Boots both at once. When one fails, the other is aborted. */
async function bootBoth(
  boot: (task: GuestTask) => Promise<Machine>,
  signal: AbortSignal | undefined,
): Promise<Pair<Machine>> {
  const failed = new AbortController();
  const either = signal === undefined ? failed.signal : AbortSignal.any([failed.signal, signal]);
  const start = (role: HostRole): Promise<Machine> =>
    boot({ role, signal: either }).catch((error: unknown) => {
      failed.abort(error);
      throw error;
    });
  return await openBoth(start).catch(() => {
    throw failed.signal.reason;
  });
}
