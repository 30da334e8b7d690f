import { copyFile, mkdir, mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, test, vi } from 'vitest';
import { freshRunId, openMachine, type Machine } from '../../src/machine/index.js';
import { openTestbed } from '../../src/testbed/index.js';
import { baseSteps } from '../../src/testbed/vm/base.js';
import { bootGuest, qemuStep } from '../../src/testbed/vm/guest.js';
import type { QemuPlan } from '../../src/guest/index.js';
import { findKernel, type Kernel } from '../../src/guest/kernel.js';
import { initramfsFor } from '../../src/guest/initramfs.js';
import { guestFolder, nicsOf } from '../../src/testbed/vm/plan.js';
import { hostsOf } from '../../src/testbed/netns/wire.js';

const WIRE = { mtu: 1500, rateMbps: null };
const BUSYBOX = '/bin/busybox';
let machine: Machine;
let run: string;
let folder: string;
beforeEach(async () => {
  run = freshRunId();
  machine = await openMachine({ run, host: 'testbed', netns: null });
  folder = await mkdtemp(join(tmpdir(), 'barewire-vm-'));
});
afterEach(async () => {
  vi.unstubAllEnvs();
  await machine[Symbol.asyncDispose]();
  await rm(folder, { recursive: true });
});

const open = (kernel?: string) =>
  openTestbed({ kind: 'vm', options: { ...(kernel !== undefined && { kernel }) } }, { run, wire: WIRE });

describe('a machine that cannot run guests', () => {
  test('without QEMU: names the packages to install', async () => {
    vi.stubEnv('PATH', folder);
    await expect(open()).rejects.toMatchObject({
      code: 'missing-tool',
      message: expect.stringContaining('qemu-system-x86_64') as string,
      hint: expect.stringContaining('apt-get install --no-install-recommends qemu-system-x86') as string,
    });
  });
});

describe('a kernel that cannot be a guest', () => {
  test('is missing', async () => {
    await expect(open(join(folder, 'none'))).rejects.toMatchObject({ code: 'no-such-file', fault: 'user' });
  });

  test('is not a kernel', async () => {
    const path = join(folder, 'vmlinuz');
    await writeFile(path, 'x'.repeat(0x1000));
    await expect(open(path)).rejects.toMatchObject({
      code: 'missing-kernel-feature',
      message: expect.stringContaining('bzImage') as string,
    });
  });

  test('has no modules', async () => {
    const { image, version } = await findKernel(machine, { image: null });
    await copyFile(image, join(folder, 'vmlinuz'));
    await expect(open(join(folder, 'vmlinuz'))).rejects.toMatchObject({
      code: 'missing-kernel-feature',
      message: expect.stringContaining(`lib/modules/${version}`) as string,
    });
  });

  test('lacks a module that a guest needs', async () => {
    const { image, version } = await findKernel(machine, { image: null });
    await mkdir(join(folder, 'boot'));
    await mkdir(join(folder, 'lib/modules', version), { recursive: true });
    await copyFile(image, join(folder, 'boot/vmlinuz'));
    await machine.run(['depmod', '-b', folder, version]);
    await expect(open(join(folder, 'boot/vmlinuz'))).rejects.toMatchObject({
      code: 'missing-kernel-feature',
      message: expect.stringContaining('virtio_pci') as string,
    });
  });
});

describe('a guest', () => {
  const boot = async (
    initramfs: (kernel: Kernel) => Promise<string>,
    limitMs?: number,
    signal?: AbortSignal,
  ) => {
    const kernel = await findKernel(machine, { image: null });
    const hosts = hostsOf(run, { wire: WIRE });
    await machine.apply(baseSteps({ run, wire: WIRE, hosts, kernel, queues: 2, ipv6: true }));
    const qemu: QemuPlan = {
      accelerator: 'tcg',
      cpus: 2,
      memoryMiB: 256,
      kernel,
      initramfs: await initramfs(kernel),
      own: guestFolder(run, 'client'),
      nics: nicsOf(run, hosts.client, 'client', WIRE, 2),
    };
    return bootGuest(machine, {
      run,
      role: 'client',
      step: qemuStep(run, 'client', qemu, []),
      accelerator: 'tcg',
      ...(limitMs !== undefined && { limitMs }),
      ...(signal && { signal }),
    });
  };

  test('that panics: the error has its last lines', async () => {
    const empty = join(folder, 'empty');
    await writeFile(empty, '');
    await expect(boot(() => Promise.resolve(empty))).rejects.toMatchObject({
      code: 'process-failed',
      message: expect.stringMatching(/guest of the client exited[^]*Kernel panic/) as string,
    });
  });

  test('that hangs: the limit ends the wait with the last console lines', async () => {
    const booted = boot((kernel) => initramfsFor(machine, kernel, BUSYBOX), 1_000);
    await expect(booted).rejects.toMatchObject({ code: 'timed-out' });
  });

  test("that QEMU refuses: the error has QEMU's reason", async () => {
    await expect(boot(() => Promise.resolve(join(folder, 'none')))).rejects.toMatchObject({
      code: 'process-failed',
      message: expect.stringMatching(/QEMU said:[^]*none/) as string,
    });
  });

  test('that is aborted: the wait ends with the reason', async () => {
    const reason = new Error('not wanted');
    const booted = boot(
      (kernel) => initramfsFor(machine, kernel, BUSYBOX),
      undefined,
      AbortSignal.abort(reason),
    );
    await expect(booted).rejects.toBe(reason);
  });
});
