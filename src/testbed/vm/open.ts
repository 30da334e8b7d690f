import { freshRunId, openMachine, type Machine } from '../../machine/index.js';
import { allowedCpus, shareCpus, type CpuShares } from '../netns/cpus.js';
import { hostsOf } from '../netns/wire.js';
import { disposeBoth, openBoth } from '../pair.js';
import type { Host, HostRole, Testbed, TestbedOptions } from '../types.js';
import {
  type Accelerator,
  findAccelerator,
  findKernel,
  initramfsFor,
  type Kernel,
  MEMORY_MIB,
  requireGuests,
} from '../../guest/index.js';
import { baseSteps } from './base.js';
import { bootGuest } from './guest.js';
import { makeKeys } from './keys.js';
import { guestFolder, nicsOf } from './plan.js';
import type { Finding } from '../../schema/index.js';

const IPV6 = '/proc/sys/net/ipv6/conf/default/disable_ipv6';
const STATUS = '/proc/self/status';

export interface VmTestbedOptions extends TestbedOptions {
  readonly kernel?: string | undefined;
}

/** Two guests, each with its own kernel, and a wire of taps and a bridge between them. */
export async function openVmTestbed(options: VmTestbedOptions): Promise<Testbed> {
  const { run = freshRunId(), signal } = options;
  signal?.throwIfAborted();
  const machine = await openMachine({ run, host: 'testbed', netns: null });
  try {
    const ground = await prepare(machine, run, options);
    signal?.throwIfAborted();
    return await withGuests(ground);
  } catch (error) {
    await machine[Symbol.asyncDispose]();
    throw error;
  }
}

interface VmBase {
  readonly machine: Machine;
  readonly run: string;
  readonly options: VmTestbedOptions;
  readonly kernel: Kernel;
  readonly initramfs: string;
  readonly accelerator: Accelerator;
  readonly shares: GuestCpus;
}

/** Everything but the guests themselves. */
async function prepare(machine: Machine, run: string, options: VmTestbedOptions): Promise<VmBase> {
  const { signal } = options;
  const busybox = await requireGuests(machine);
  const kernel = await findKernel(machine, { image: options.kernel ?? null, ...(signal && { signal }) });
  const initramfs = await initramfsFor(machine, kernel, busybox, signal);
  const accelerator = await findAccelerator(machine, kernel, initramfs);
  const { files } = await machine.readFiles([STATUS, IPV6]);
  const shares = guestCpus(shareCpus(allowedCpus(files[STATUS] ?? '')));
  const hosts = hostsOf(run, options);
  const ipv6 = files[IPV6] !== null;
  const { wire } = options;
  await machine.apply(baseSteps({ run, wire, hosts, kernel, queues: shares.count, ipv6 }));
  await makeKeys(machine, run);
  return { machine, run, options, kernel, initramfs, accelerator, shares };
}

interface GuestCpus {
  /** Of each guest. */
  readonly count: number;
  /** The machine's CPUs that each may use; empty leaves it to the scheduler. */
  readonly pinnedTo: CpuShares;
}

const MOST_CPUS = 8;

/** A guest of one CPU would have one queue: on a machine too small for two each, the guests share what there is. */
function guestCpus(shares: CpuShares): GuestCpus {
  const count = Math.min(shares.client.length, shares.server.length);
  if (count < 2) return { count: 2, pinnedTo: { client: [], server: [] } };
  return { count: Math.min(count, MOST_CPUS), pinnedTo: shares };
}

async function withGuests(ground: VmBase): Promise<Testbed> {
  const { machine, run, options, accelerator, shares } = ground;
  const hosts = hostsOf(run, options);
  const [client, server] = await bootBoth(ground);
  const host = (role: HostRole, agent: Machine): Host => ({
    role,
    machine: agent,
    net: hosts[role],
    cpus: Array.from({ length: shares.count }, (_, cpu) => cpu),
  });
  return {
    kind: 'vm',
    run,
    client: host('client', client),
    server: host('server', server),
    limitations: findLimitations(accelerator, shares),
    emulated: accelerator === 'tcg',
    // The agents undo their steps first; then the guests go, whatever the agents report.
    [Symbol.asyncDispose]: async () => {
      try {
        await disposeBoth({ client, server });
      } finally {
        await machine[Symbol.asyncDispose]();
      }
    },
  };
}

/** Both at once. When one fails, the other is given up. */
async function bootBoth(ground: VmBase): Promise<[Machine, Machine]> {
  const failed = new AbortController();
  const { signal } = ground.options;
  const either = signal === undefined ? failed.signal : AbortSignal.any([failed.signal, signal]);
  const start = (role: HostRole): Promise<Machine> =>
    boot(ground, role, either).catch((error: unknown) => {
      failed.abort(error);
      throw error;
    });
  const { client, server } = await openBoth(start).catch(() => {
    throw failed.signal.reason;
  });
  return [client, server];
}

function boot(ground: VmBase, role: HostRole, signal: AbortSignal): Promise<Machine> {
  const { machine, run, options, kernel, initramfs, accelerator, shares } = ground;
  const host = hostsOf(run, options)[role];
  const qemu = {
    accelerator,
    cpus: shares.count,
    memoryMiB: MEMORY_MIB,
    kernel,
    initramfs,
    own: guestFolder(run, role),
    nics: nicsOf(run, host, role, options.wire, shares.count),
  };
  return bootGuest(machine, { run, role, qemu, pinnedTo: shares.pinnedTo[role], signal });
}

function findLimitations(accelerator: Accelerator, { pinnedTo }: GuestCpus): Finding[] {
  return [
    ...(accelerator === 'tcg' ? [{ code: 'limitation', limitation: 'emulated-guests' } as const] : []),
    { code: 'limitation', limitation: 'bridge-wire' },
    {
      code: 'limitation',
      limitation: pinnedTo.client.length === 0 ? 'guests-share-cpus' : 'guests-own-cpus',
    },
  ];
}
