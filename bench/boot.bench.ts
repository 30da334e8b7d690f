import { readFileSync } from 'node:fs';
import { freshRunId, openMachine, type Machine } from '../src/machine/index.js';
import { hostsOf } from '../src/testbed/index.js';
import { findAccelerator, MEMORY_MIB, requireGuests } from '../src/guest/requirements.js';
import { baseSteps } from '../src/testbed/vm/base.js';
import { bootGuest, qemuStep } from '../src/testbed/vm/guest.js';
import { initramfsFor } from '../src/guest/initramfs.js';
import { findKernel, type Kernel } from '../src/guest/kernel.js';
import { makeKeys } from '../src/testbed/vm/keys.js';
import { guestFolder, nicsOf, ROLES } from '../src/testbed/vm/plan.js';
import type { Accelerator } from '../src/guest/qemu.js';
import type { HostRole } from '../src/testbed/index.js';

export const title = 'Boot of two guests at once, from the start of QEMU to both agents (median of 3)';

const ROUNDS = 3;
const WIRE = { mtu: 1500, rateMbps: null };
const CPUS = 2;
const TICKS_PER_S = 100;

/** Seconds; the CPU time is that of both. */
interface Boot {
  readonly wall: number;
  readonly cpu: number;
}

export async function bench(): Promise<string> {
  const boots: Boot[] = [];
  let accelerator: Accelerator = 'tcg';
  for (let round = 0; round < ROUNDS; round++) {
    await using machine = await openMachine({ run: freshRunId(), host: 'testbed', netns: null });
    const ground = await prepare(machine);
    accelerator = ground.accelerator;
    boots.push(await bootBoth(machine, ground));
  }
  const median = (key: keyof Boot): string =>
    (boots.map((boot) => boot[key]).toSorted((a, b) => a - b)[boots.length >> 1] ?? NaN).toFixed(1);
  return `${median('wall')} s, ${median('cpu')} s of CPU time (${accelerator})`;
}

interface Ground {
  readonly run: string;
  readonly kernel: Kernel;
  readonly initramfs: string;
  readonly accelerator: Accelerator;
}

async function prepare(machine: Machine): Promise<Ground> {
  const run = freshRunId();
  const busybox = await requireGuests(machine);
  const kernel = await findKernel(machine, { image: null });
  const initramfs = await initramfsFor(machine, kernel, busybox);
  const accelerator = await findAccelerator(machine, kernel, initramfs);
  const hosts = hostsOf(run, { wire: WIRE });
  await machine.apply(baseSteps({ run, wire: WIRE, hosts, kernel, queues: CPUS, ipv6: true }));
  await makeKeys(machine, run);
  return { run, kernel, initramfs, accelerator };
}

async function bootBoth(machine: Machine, ground: Ground): Promise<Boot> {
  const started = performance.now();
  const pids: number[] = [];
  const watched: Pick<Machine, 'start'> = {
    start: async (step) => {
      const guest = await machine.start(step);
      pids.push(guest.pid);
      return guest;
    },
  };
  const agents = await Promise.all(ROLES.map((role) => boot(watched, ground, role)));
  const reached = { wall: (performance.now() - started) / 1_000, cpu: cpuSeconds(pids) };
  await Promise.all(agents.map((agent) => agent[Symbol.asyncDispose]()));
  return reached;
}

function boot(
  machine: Pick<Machine, 'start'>,
  { run, kernel, initramfs, accelerator }: Ground,
  role: HostRole,
): Promise<Machine> {
  const host = hostsOf(run, { wire: WIRE })[role];
  const nics = nicsOf(run, host, role, WIRE, CPUS);
  const own = guestFolder(run, role);
  const qemu = { accelerator, cpus: CPUS, memoryMiB: MEMORY_MIB, kernel, initramfs, own, nics };
  return bootGuest(machine, { run, role, step: qemuStep(run, role, qemu, []), accelerator });
}

/** User and system time of processes, fields 14 and 15 of /proc/PID/stat; the second field may hold spaces. */
const cpuSeconds = (pids: readonly number[]): number =>
  pids.reduce((sum, pid) => {
    const fields = readFileSync(`/proc/${pid}/stat`, 'latin1').split(') ')[1]?.split(' ') ?? [];
    return sum + (Number(fields[11]) + Number(fields[12])) / TICKS_PER_S;
  }, 0);
