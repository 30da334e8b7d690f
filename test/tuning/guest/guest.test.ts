import { afterAll, beforeAll, beforeEach, describe, expect, test, vi } from 'vitest';
import { until } from '../../service/until.js';
import { unpackDebian } from './debian-programs.js';
import { ADDRESS, changes, NetworkGuest, type CpuCounters } from './network-guest.js';

vi.setConfig({ testTimeout: 240_000, hookTimeout: 300_000 });

const PINGS = 300;
/** Of the packets of a flow: the first ones come before its reader is known, and the kernel's own packets are counted too. */
const MOST = 0.8;

let lab: NetworkGuest;
beforeAll(async () => {
  const programs = await unpackDebian('tuned', 'irqbalance');
  lab = await NetworkGuest.boot();
  await lab.guest.run(`tar -C ${programs} -c . | tar -x --keep-directory-symlink -C /`);
});
afterAll(() => lab[Symbol.asyncDispose]());
/** A test continues from the state of the one before. */
let failed = false;
beforeEach(({ onTestFailed }) => {
  if (failed) throw new Error('an earlier test has failed');
  onTestFailed(() => void (failed = true));
});

/** Counters of the NIC while pings are sent from a CPU. */
async function pingFrom(cpu: number) {
  const sample = async () => ({
    sent: await lab.sent(),
    interrupts: [await lab.interrupts(0), await lab.interrupts(1)],
    cpus: await lab.cpuCounters(),
  });
  const before = await sample();
  await lab.ping(cpu, PINGS);
  const after = await sample();
  return {
    sent: changes(before.sent, after.sent),
    interrupts: after.interrupts.map((counts, queue) => changes(before.interrupts[queue] ?? [], counts)),
    ...difference(before.cpus, after.cpus),
  };
}

function difference(before: readonly CpuCounters[], after: readonly CpuCounters[]) {
  const of = (key: keyof CpuCounters): number[] =>
    changes(
      before.map((cpu) => cpu[key]),
      after.map((cpu) => cpu[key]),
    );
  return { softirqs: of('softirqs'), packets: of('packets'), wakeUps: of('wakeUps') };
}

const sum = (values: readonly number[]): number => values.reduce((total, value) => total + value, 0);

/** The share of the packets to a server on a CPU that this CPU processes. The first CPU has those of the peer. */
async function shareOfReader(cpu: number): Promise<number> {
  const config = [
    'pid /run/reader.pid; error_log /dev/null; worker_processes 1; events { }',
    `http { access_log off; keepalive_requests 100000; server { listen ${ADDRESS}:9000; return 200 x; } }`,
  ].join(' ');
  await lab.guest.run(
    `echo '${config}' > /run/reader.conf; taskset -c ${cpu} nginx -e /dev/null -c /run/reader.conf`,
  );
  const before = await lab.cpuCounters();
  const output = await lab.guest.run(
    `ip netns exec peer taskset -c 0 h2load --h1 -n 600 -c 6 http://${ADDRESS}:9000/`,
  );
  const [, ...packets] = difference(before, await lab.cpuCounters()).packets;
  await lab.guest.run('kill $(cat /run/reader.pid)');
  expect(output).toContain('600 succeeded');
  return (packets[cpu - 1] ?? 0) / sum(packets);
}

describe('on four CPUs and a NIC of two queues', () => {
  test('latency moves interrupts, packets and what is sent to the CPUs of its plan', async () => {
    // Packets of the usual size, so that there are hundreds.
    await lab.guest.run('ip netns exec peer ethtool -K eth1 tso off gso off; ethtool -K eth0 gro off');
    const before = await pingFrom(1);
    // The driver's choice: the first half of the CPUs has the first queue. The CPU of the interrupt does all.
    expect(before.sent[0], JSON.stringify(before)).toBeGreaterThanOrEqual(PINGS);
    expect(sum(before.wakeUps)).toBe(0);
    const applied = await lab.tune('apply', 'latency', '--dev', 'eth0', '--connections', '4096');
    expect(applied.status, applied.stdout).toBe(0);
    const irq = /\/proc\/irq\/(\d+)\/smp_affinity_list = 1/.exec(applied.stdout)?.[1] ?? 'none';
    expect(await lab.guest.run(`cat /proc/irq/${irq}/smp_affinity_list`)).toBe('1\n');
    expect(await lab.guest.run('cat /sys/class/net/eth0/queues/rx-*/rps_cpus')).toBe('c\nc\n');
    expect(await lab.guest.run('cat /sys/class/net/eth0/queues/tx-*/xps_cpus')).toBe('5\na\n');
    expect(
      await lab.guest.run(
        'cat /proc/sys/net/core/rps_sock_flow_entries /sys/class/net/eth0/queues/rx-*/rps_flow_cnt',
      ),
    ).toBe('4096\n2048\n2048\n');
    for (const queue of [0, 1]) {
      const after = await pingFrom(queue);
      const shown = JSON.stringify(after);
      // XPS: the CPU sends through its own queue, and the answers come to the same one.
      expect(after.sent[queue], shown).toBeGreaterThanOrEqual(PINGS);
      expect(after.sent[1 - queue], shown).toBeLessThan(PINGS / 10);
      // Its interrupts are served by its CPU alone.
      const served = after.interrupts[queue] ?? [];
      expect(served[queue], shown).toBeGreaterThan(PINGS / 10);
      // The first ones come before the change reaches the device.
      expect(sum(served) - (served[queue] ?? 0), shown).toBeLessThan(PINGS / 20);
      // RPS: that CPU hands the packets to the two others.
      for (const key of ['softirqs', 'wakeUps'] as const)
        expect((after[key][2] ?? 0) + (after[key][3] ?? 0), shown).toBeGreaterThan(PINGS / 10);
      expect((after.packets[2] ?? 0) + (after.packets[3] ?? 0), shown).toBeGreaterThanOrEqual(PINGS);
    }
    // RFS: packets go to the CPU of their reader.
    for (const reader of [2, 3])
      expect(await shareOfReader(reader), `reader on ${reader}`).toBeGreaterThan(MOST);
    const verified = await lab.tune('verify');
    expect(verified, verified.stdout).toMatchObject({ status: 0 });
  });

  test('irqbalance and an administrator change settings: verify reports them, restore leaves them', async () => {
    await lab.guest.run(
      'irqbalance --foreground --interval 1 > /run/irqbalance.log 2>&1 & echo $! > /run/irqbalance.pid',
    );
    const pinned = 'cat /proc/irq/*/smp_affinity_list';
    const planned = await lab.guest.run(pinned);
    await until(
      'irqbalance moves an interrupt',
      async () => {
        await lab.ping(1, PINGS);
        return (await lab.guest.run(pinned)) !== planned;
      },
      60_000,
    );
    await lab.guest.run('echo 1 > /sys/class/net/eth0/queues/rx-0/rps_cpus');
    const { status, stdout } = await lab.tune('verify');
    expect(status, stdout).toBe(1);
    expect(stdout).toMatch(
      /CHANGED +\/proc\/irq\/\d+\/smp_affinity_list is .*; irqbalance runs and changes such settings/,
    );
    expect(stdout).toMatch(/CHANGED +\S+\/rx-0\/rps_cpus is 1: wanted c, before 0\n/);
    expect((await lab.tune('plan', 'latency', '--dev', 'eth0')).stdout).toContain('irqbalance runs');
    await lab.guest.run('kill $(cat /run/irqbalance.pid)');
    const moved = await lab.guest.run(pinned);
    const restored = await lab.tune('restore');
    expect(restored.stdout).toMatch(
      /\/proc\/irq\/\d+\/smp_affinity_list is \S+: it was \S+ before Barewire wrote/,
    );
    expect(restored.stdout).toContain('rx-0/rps_cpus is 1: it was 0 before Barewire wrote c');
    expect(await lab.guest.run('cat /sys/class/net/eth0/queues/rx-*/rps_cpus')).toBe('1\n0\n');
    expect(
      await lab.guest.run(
        'cat /sys/class/net/eth0/queues/tx-*/xps_cpus /proc/sys/net/core/rps_sock_flow_entries',
      ),
    ).toBe('3\nc\n0\n');
    expect(moved).not.toBe(planned);
    await lab.guest.run('echo 0 > /sys/class/net/eth0/queues/rx-0/rps_cpus');
    // Packets stay on the CPU of their interrupt again.
    expect(sum((await pingFrom(1)).wakeUps)).toBe(0);
  });

  test("the profile network-latency sets what tuned's profile of that name sets", async () => {
    const before = await readSettings();
    await lab.guest.run(
      'tuned --no-dbus --no-socket --profile network-latency --log /run/tuned.log > /run/tuned.out 2>&1 & echo $! > /run/tuned.pid',
    );
    await until(
      'tuned has applied its profile',
      async () =>
        (await lab.guest.run('cat /run/tuned.log /run/tuned.out')).includes(
          "static tuning from profile 'network-latency' applied",
        ),
      60_000,
    );
    const byTuned = changed(before, await readSettings());
    await lab.guest.run(
      'kill $(cat /run/tuned.pid); while kill -0 $(cat /run/tuned.pid) 2> /dev/null; do :; done',
    );
    expect(changed(before, await readSettings())).toEqual({});
    const applied = await lab.tune('apply', 'network-latency', '--dev', 'eth0');
    expect(applied.status, applied.stdout).toBe(0);
    const byBarewire = changed(before, await readSettings());
    // tuned holds it open although the guest's CPUs have no idle states; the profile says so instead.
    const { '/dev/cpu_dma_latency': latency, ...others } = byTuned;
    expect(latency?.trim()).toBe('3');
    expect(applied.stdout).toMatch(/not applicable +cpu-dma-latency: The CPUs have no idle states/);
    expect(byBarewire).toEqual(others);
    expect(byTuned).toMatchObject({ 'net.core.busy_poll': '50', 'vm.swappiness': '10' });
    expect((await lab.tune('restore')).status).toBe(0);
    expect(changed(before, await readSettings())).toEqual({});
  });
});

/** Counters and random numbers among the sysctls. */
const VOLATILE =
  /^(fs\.(dentry|file|inode)|kernel\.(ns_last_pid|pty\.nr|random\.)|net\.netfilter\.\S+count|net\.ipv4\.route\.flush)/;

/** All sysctls of the guest, and the files that a profile of tuned sets besides. */
async function readSettings(): Promise<ReadonlyMap<string, string>> {
  const output = await lab.guest.run(
    [
      'sysctl -a 2> /dev/null',
      'for file in /sys/kernel/mm/transparent_hugepage/enabled /sys/devices/system/cpu/cpu*/cpufreq/scaling_governor' +
        ' /sys/devices/system/cpu/cpu*/power/energy_perf_bias /sys/devices/system/cpu/intel_pstate/min_perf_pct; do',
      '  [ -e $file ] && echo "$file = $(cat $file)"; done',
      'echo "/dev/cpu_dma_latency = $(od -An -td4 /dev/cpu_dma_latency)"',
    ].join('\n'),
  );
  const lines = [...output.matchAll(/^(\S+) = (.*)$/gm)].map(
    ([, name = '', value = '']) => [name, value] as const,
  );
  return new Map(lines.filter(([name]) => !VOLATILE.test(name)));
}

/** What has another value than before. */
const changed = (
  before: ReadonlyMap<string, string>,
  after: ReadonlyMap<string, string>,
): Record<string, string> =>
  Object.fromEntries([...after].filter(([name, value]) => before.get(name) !== value));
