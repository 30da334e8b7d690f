import { describe, expect, test } from 'vitest';
import { readTopology } from '../../src/linux/index.js';
import { tuningPlanSchema, type TuningPlan } from '../../src/schema/index.js';
import { KNOB_FILES, planTuning, resolveProfile, type TuningRoles } from '../../src/tuning/index.js';
import { machineTree, writeTree } from './machine-tree.js';
import { MACHINES } from './machines.js';

function planFor(
  machine: keyof typeof MACHINES,
  profile: string,
  roles: Partial<TuningRoles> = {},
): TuningPlan {
  using tree = writeTree(machineTree(MACHINES[machine]));
  const topology = readTopology(tree.root, KNOB_FILES);
  return planTuning({
    topology,
    profile: resolveProfile(profile, () => ''),
    roles: { connections: 60_000, ports: [8080], interface: MACHINES[machine].devices[0].name, ...roles },
  });
}

const valuesOf = ({ settings }: TuningPlan, ...knobs: readonly string[]): Record<string, string> =>
  Object.fromEntries(
    settings.filter(({ knob }) => knobs.includes(knob)).map(({ path, value }) => [path, value]),
  );
const codesOf = ({ notApplicable }: TuningPlan): Record<string, string> =>
  Object.fromEntries(notApplicable.map(({ knob, finding }) => [knob, finding.code]));

describe('article-2015 on the machine of the article', () => {
  const plan = planFor('article', 'article-2015');

  test('has the masks, lists and tables of the article', () => {
    expect(
      valuesOf(plan, 'irq-affinity', 'rps', 'xps', 'rfs', 'server-affinity', 'generator-affinity'),
    ).toEqual({
      '/proc/irq/265/smp_affinity_list': '0',
      '/proc/irq/266/smp_affinity_list': '9',
      '/sys/class/net/eth0/queues/rx-0/rps_cpus': '00000000,0003fdfe',
      '/sys/class/net/eth0/queues/rx-1/rps_cpus': '00000000,0003fdfe',
      '/sys/class/net/eth0/queues/tx-0/xps_cpus': '00000000,07fc01ff',
      '/sys/class/net/eth0/queues/tx-1/xps_cpus': '0000000f,f803fe00',
      '/proc/sys/net/core/rps_sock_flow_entries': '65536',
      '/sys/class/net/eth0/queues/rx-0/rps_flow_cnt': '32768',
      '/sys/class/net/eth0/queues/rx-1/rps_flow_cnt': '32768',
      'server:cpus': '0-17',
      'generator:cpus': '0-17',
    });
  });

  test('has the sysctls of the article and of the tuned of its time', () => {
    const rest = valuesOf(
      plan,
      ...plan.settings
        .map(({ knob }) => knob)
        .filter((knob) => !/irq|[rx]ps|rfs|affinity|governor/.test(knob)),
    );
    expect(rest).toEqual({
      'nftables:notrack': '8080',
      '/proc/sys/fs/file-max': '1024000',
      '/proc/sys/net/ipv4/ip_local_port_range': '2000 65535',
      '/proc/sys/net/ipv4/tcp_max_tw_buckets': '2000000',
      '/proc/sys/net/ipv4/tcp_tw_reuse': '1',
      '/proc/sys/net/ipv4/tcp_tw_recycle': '1',
      '/proc/sys/net/ipv4/tcp_fin_timeout': '10',
      '/proc/sys/net/ipv4/tcp_slow_start_after_idle': '0',
      '/proc/sys/net/ipv4/tcp_low_latency': '1',
      '/proc/sys/net/ipv4/tcp_fastopen': '3',
      '/proc/sys/net/core/busy_poll': '50',
      '/proc/sys/net/core/busy_read': '50',
      '/proc/sys/kernel/numa_balancing': '0',
      '/proc/sys/kernel/sched_migration_cost_ns': '10000000',
      '/proc/sys/kernel/sched_min_granularity_ns': '10000000',
      '/proc/sys/vm/dirty_ratio': '10',
      '/proc/sys/vm/dirty_background_ratio': '3',
      '/proc/sys/vm/swappiness': '10',
      '/sys/kernel/mm/transparent_hugepage/enabled': 'never',
      '/dev/cpu_dma_latency': '1',
    });
    expect(Object.values(valuesOf(plan, 'governor'))).toEqual(Array(36).fill('performance'));
  });

  test('reports that nginx and the generator run on the CPUs of the interrupts', () => {
    expect(plan.conflicts).toContainEqual({
      code: 'interrupt-cpus-used',
      cpus: [0, 9],
      processes: ['server', 'generator'],
    });
  });

  test('reports the settings that have no effect on a load with keep-alive', () => {
    expect(codesOf(plan)).toMatchObject({
      'tcp-fin-timeout': 'kept-alive',
      'tcp-tw-reuse': 'kept-alive',
      'tcp-tw-recycle': 'kept-alive',
      'tcp-max-tw-buckets': 'kept-alive',
    });
  });

  test('is plain data of its schema', () => {
    expect(tuningPlanSchema.parse(JSON.parse(JSON.stringify(plan)))).toEqual(plan);
  });
});

const STEERING = ['irq-affinity', 'rps', 'xps', 'rfs', 'server-affinity'];

describe('latency', () => {
  test('gives each queue its CPU where there is a queue for each', () => {
    const plan = planFor('queue-per-cpu', 'latency', { connections: 64 });
    expect(valuesOf(plan, 'irq-affinity')).toEqual({
      '/proc/irq/41/smp_affinity_list': '0',
      '/proc/irq/42/smp_affinity_list': '0',
      '/proc/irq/43/smp_affinity_list': '1',
      '/proc/irq/44/smp_affinity_list': '1',
      '/proc/irq/45/smp_affinity_list': '2',
      '/proc/irq/46/smp_affinity_list': '2',
      '/proc/irq/47/smp_affinity_list': '3',
      '/proc/irq/48/smp_affinity_list': '3',
    });
    expect(Object.values(valuesOf(plan, 'xps'))).toEqual(['1', '2', '4', '8']);
    expect(valuesOf(plan, 'server-affinity')).toEqual({ 'server:cpus': '0-3' });
    expect(codesOf(plan)).toMatchObject({ rps: 'queue-per-cpu', 'numa-balancing': 'single-node' });
    expect(plan.conflicts).toEqual([]);
  });

  test('distributes the packets of a single queue to the other cores', () => {
    const plan = planFor('one-queue', 'latency', { connections: 1_000 });
    expect(valuesOf(plan, ...STEERING)).toEqual({
      '/proc/irq/25/smp_affinity_list': '0',
      '/proc/irq/26/smp_affinity_list': '0',
      '/sys/class/net/eth0/queues/rx-0/rps_cpus': 'e',
      '/proc/sys/net/core/rps_sock_flow_entries': '1024',
      '/sys/class/net/eth0/queues/rx-0/rps_flow_cnt': '1024',
      'server:cpus': '1-3',
    });
    expect(codesOf(plan)).toMatchObject({ xps: 'single-tx-queue' });
  });

  test('leaves out threads that are switched off', () => {
    expect(valuesOf(planFor('smt-off', 'latency'), ...STEERING)).toMatchObject({
      '/proc/irq/51/smp_affinity_list': '0',
      '/proc/irq/52/smp_affinity_list': '1',
      '/sys/class/net/ens5/queues/rx-0/rps_cpus': 'c',
      '/sys/class/net/ens5/queues/tx-0/xps_cpus': '5',
      '/sys/class/net/ens5/queues/tx-1/xps_cpus': 'a',
    });
  });

  test('leaves out CPUs that are offline', () => {
    const plan = planFor('offline-cpus', 'latency');
    expect(valuesOf(plan, 'irq-affinity', 'rps', 'xps')).toEqual({
      '/proc/irq/61/smp_affinity_list': '1',
      '/proc/irq/62/smp_affinity_list': '2',
      '/sys/class/net/eth0/queues/rx-0/rps_cpus': '8',
      '/sys/class/net/eth0/queues/rx-1/rps_cpus': '8',
      // Threads of a core send through one queue: 1,3,5,7,9,11,15 and 2,4,6,10,12,14.
      '/sys/class/net/eth0/queues/tx-0/xps_cpus': '8aaa',
      '/sys/class/net/eth0/queues/tx-1/xps_cpus': '5454',
    });
  });

  test('writes masks of two words for 64 CPUs, and finds interrupts without names', () => {
    const plan = planFor('arm', 'latency');
    expect(Object.keys(valuesOf(plan, 'irq-affinity'))).toEqual(
      [71, 72, 73, 74, 75, 76, 77, 78].map((irq) => `/proc/irq/${irq}/smp_affinity_list`),
    );
    expect(valuesOf(plan, 'rps')['/sys/class/net/eth0/queues/rx-7/rps_cpus']).toBe('ffffffff,ffffff00');
  });

  test('keeps interrupts and RPS on the node of the device', () => {
    const plan = planFor('large', 'latency');
    expect(Object.values(valuesOf(plan, 'irq-affinity'))).toEqual(['36', '37', '38', '39']);
    // CPUs 40-71.
    expect(valuesOf(plan, 'rps')['/sys/class/net/eth0/queues/rx-0/rps_cpus']).toBe(
      '00000000,00000000,000000ff,ffffff00,00000000',
    );
  });

  test('reports the knobs that have no effect on a veth', () => {
    const plan = planFor('veth', 'latency');
    expect(codesOf(plan)).toMatchObject({
      'irq-affinity': 'no-interrupts',
      xps: 'software-tx-queues',
      'busy-poll': 'software-busy-poll',
    });
    expect(valuesOf(plan, 'rps')).toEqual({
      '/sys/class/net/eth0/queues/rx-0/rps_cpus': '3',
      '/sys/class/net/eth0/queues/rx-1/rps_cpus': '3',
    });
  });

  test('leaves managed interrupts and isolated CPUs alone', () => {
    const plan = planFor('managed', 'latency');
    expect(plan.notApplicable).toContainEqual({
      knob: 'irq-affinity',
      finding: { code: 'managed-interrupts', device: 'eth0', irqs: [25, 26, 27, 28] },
    });
    for (const mask of Object.values(valuesOf(plan, 'rps'))) expect(parseInt(mask, 16) & 8).toBe(0);
    expect(valuesOf(plan, 'server-affinity')['server:cpus']).not.toContain('3');
  });
});

test('article-2015 on a kernel of today reports what left it', () => {
  const plan = planFor('one-queue', 'article-2015');
  expect(plan.notApplicable).toContainEqual({
    knob: 'tcp-tw-recycle',
    finding: { code: 'setting-removed', path: '/proc/sys/net/ipv4/tcp_tw_recycle', since: '4.12' },
  });
  expect(codesOf(plan)).toMatchObject({
    'tcp-low-latency': 'setting-inert',
    'sched-min-granularity': 'setting-moved',
  });
  expect(valuesOf(plan, 'sched-migration-cost')).toEqual({
    '/sys/kernel/debug/sched/migration_cost_ns': '10000000',
  });
  expect(plan.conflicts).toContainEqual({
    code: 'limit-lowered',
    path: '/proc/sys/fs/file-max',
    from: '9223372036854775807',
    to: '1024000',
  });
});

test('none sets nothing', () => {
  expect(planFor('article', 'none')).toEqual({ settings: [], notApplicable: [], conflicts: [] });
});

describe('a profile of its own', () => {
  const own = (text: string): TuningPlan => {
    using tree = writeTree(machineTree(MACHINES.article));
    return planTuning({
      topology: readTopology(tree.root, KNOB_FILES),
      profile: resolveProfile('own.yaml', () => text),
      roles: { connections: 64, ports: [80], interface: 'eth0' },
    });
  };

  test('sets any sysctl by its key, in a namespace where the kernel has it there', () => {
    const { settings } = own(
      'knobs: { net.ipv4.tcp_rmem: 4096 8192 16384, net.core.dev_weight: 128, vm.min_free_kbytes: 65536 }',
    );
    expect(settings.map(({ path, value, scope }) => [path, value, scope.where])).toEqual([
      ['/proc/sys/net/ipv4/tcp_rmem', '4096 8192 16384', 'namespace'],
      ['/proc/sys/net/core/dev_weight', '128', 'machine'],
      ['/proc/sys/vm/min_free_kbytes', '65536', 'machine'],
    ]);
  });

  test('gives the device a queueing discipline', () => {
    expect(own('knobs: { qdisc: netem delay 1ms }').settings).toMatchObject([
      { kind: 'qdisc', value: 'netem delay 1ms', device: 'eth0' },
    ]);
  });

  test.each(['knobs: { qdisc: "fq; reboot" }', 'knobs: { "../../etc/x": 1 }', 'knobs: { net..x: 1 }'])(
    'is refused: %s',
    (text) => {
      expect(() => own(text)).toThrow(/own\.yaml:1:\d+/);
    },
  );
});
