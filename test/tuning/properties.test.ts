import fc from 'fast-check';
import { expect, test } from 'vitest';
import { readTopology } from '../../src/linux/index.js';
import {
  BarewireError,
  parseCpuList,
  parseCpuMask,
  printCpuList,
  printCpuMask,
  settingSchema,
  topologySchema,
  tuningPlanSchema,
} from '../../src/schema/index.js';
import { KNOB_FILES, planTuning, PROFILES, resolveProfile } from '../../src/tuning/index.js';
import { machineTree, writeTree, type DeviceDescription, type MachineDescription } from './machine-tree.js';

const cpuSet = fc.uniqueArray(fc.nat(300)).map((cpus) => cpus.sort((one, other) => one - other));

test('printed lists of CPUs are parsed to the same CPUs', () => {
  fc.assert(
    fc.property(cpuSet, (cpus) => {
      expect(parseCpuList(printCpuList(cpus))).toEqual(cpus);
    }),
  );
});

test('printed masks of CPUs are parsed to the same CPUs, and have a word for each 32 CPUs', () => {
  fc.assert(
    fc.property(cpuSet, fc.integer({ min: 1, max: 320 }), (cpus, count) => {
      const mask = printCpuMask(cpus, count);
      expect(parseCpuMask(mask)).toEqual(cpus);
      expect(mask.split(',')).toHaveLength(Math.ceil(Math.max(count, (cpus.at(-1) ?? 0) + 1) / 32));
    }),
  );
});

test.each(['', '0-', 'a', '3-1', '1,,2x', '-1'])('"%s" is neither a mask nor a list of CPUs', (text) => {
  if (text !== '') expect(parseCpuList(text)).toBeNull();
  expect(parseCpuMask(text === 'a' ? 'xyz' : text)).toBeNull();
});

test('lists with groups name the CPUs of each group', () => {
  expect(parseCpuList('0-7:2/4')).toEqual([0, 1, 4, 5]);
});

const device = (
  queues: number,
  kind: 'virtio_net' | 'ixgbevf' | 'veth',
  node: number,
  managed: boolean,
): DeviceDescription => {
  const names = Array.from({ length: queues }, (_, queue) => [100 + queue, `eth0-TxRx-${queue}`] as const);
  const base = { name: 'eth0', rx: queues, tx: queues };
  return kind === 'veth'
    ? { ...base, driver: null }
    : { ...base, driver: kind, node, managed, irqs: Object.fromEntries(names) };
};

const machine: fc.Arbitrary<MachineDescription> = fc
  .record({
    nodes: fc.integer({ min: 1, max: 3 }),
    coresPerNode: fc.integer({ min: 1, max: 9 }),
    threads: fc.constantFrom(1 as const, 2 as const),
    queues: fc.integer({ min: 1, max: 12 }),
    kind: fc.constantFrom('virtio_net' as const, 'ixgbevf' as const, 'veth' as const),
    node: fc.integer({ min: -1, max: 2 }),
    managed: fc.boolean(),
    dropped: fc.array(fc.nat(1_000), { maxLength: 6 }),
    isolated: fc.array(fc.nat(1_000), { maxLength: 4 }),
    kernel: fc.constantFrom('4.3.0', '5.4.1', '6.18.0'),
  })
  .map(({ nodes, coresPerNode, threads, queues, kind, node, managed, dropped, isolated, kernel }) => {
    const total = nodes * coresPerNode * threads;
    // CPU 0 stays, so that there is one.
    const offline = [...new Set(dropped.map((number) => number % total))].filter((cpu) => cpu !== 0);
    return {
      kernel,
      nodes,
      coresPerNode,
      threads,
      offline,
      isolated: [...new Set(isolated.map((number) => number % total))].filter(
        (cpu) => !offline.includes(cpu),
      ),
      devices: [device(queues, kind, node, managed)],
    };
  });

test('every plan reports or plans each knob, and names online CPUs only, at least one for each thing', () => {
  fc.assert(
    fc.property(
      machine,
      fc.constantFrom(...PROFILES),
      fc.integer({ min: 1, max: 1_000_000 }),
      (described, profile, connections) => {
        using tree = writeTree(machineTree(described));
        const topology = readTopology(tree.root, KNOB_FILES);
        expect(topologySchema.parse(JSON.parse(JSON.stringify(topology)))).toEqual(topology);
        const online = topology.cpus.map(({ cpu }) => cpu);
        const plan = planTuning({
          topology,
          profile,
          roles: { connections, ports: [80], interface: 'eth0' },
        });
        expect(tuningPlanSchema.parse(plan)).toEqual(plan);
        for (const setting of plan.settings) {
          const { path, value, kind } = settingSchema.parse(setting);
          const set = /[rx]ps_cpus$/.test(path)
            ? parseCpuMask(value)
            : path.endsWith('affinity_list') || kind === 'affinity'
              ? parseCpuList(value)
              : [online[0] ?? 0];
          expect(set).not.toEqual([]);
          expect(online).toEqual(expect.arrayContaining(set ?? [-1]));
        }
        const paths = plan.settings.map(({ path }) => path);
        expect(new Set(paths).size).toBe(paths.length);
        const named = new Set([...plan.settings, ...plan.notApplicable].map(({ knob }) => knob));
        expect([...named].sort()).toEqual(Object.keys(profile.knobs).sort());
        // Every CPU sends through a queue.
        const senders = plan.settings.flatMap(({ knob, value }) =>
          knob === 'xps' ? (parseCpuMask(value) ?? []) : [],
        );
        if (senders.length > 0)
          expect([...new Set(senders)].sort((one, other) => one - other)).toEqual(online);
      },
    ),
    { numRuns: 30 },
  );
});

test.each([
  ['rps', '40-50', /rps: 40-50 leaves no CPU: the machine has the CPUs 0-3/],
  ['server-affinity', '9', /server-affinity: 9 leaves no CPU/],
])('%s on CPUs that do not exist is refused', (knob, value, message) => {
  using tree = writeTree(
    machineTree({
      kernel: '6.1.0',
      nodes: 1,
      coresPerNode: 4,
      threads: 1,
      devices: [device(1, 'ixgbevf', 0, false)],
    }),
  );
  const topology = readTopology(tree.root, KNOB_FILES);
  const plan = (cpus: string) =>
    planTuning({
      topology,
      profile: { name: 'own', what: '', knobs: { [knob]: [cpus] } },
      roles: { connections: 1, ports: [80], interface: 'eth0' },
    });
  expect(() => plan(value)).toThrow(BarewireError);
  expect(() => plan(value)).toThrow(message);
  expect(plan(`1,${value}`).conflicts).toMatchObject([{ code: 'cpus-ignored', knob }]);
});

test.each(['irq-affinity', 'rps', 'xps', 'rfs'])('%s on a device without queues is refused', (knob) => {
  using tree = writeTree(
    machineTree({
      kernel: '6.1.0',
      nodes: 1,
      coresPerNode: 2,
      threads: 1,
      devices: [device(0, 'veth', 0, false)],
      files: { '/sys/devices/virtual/net/eth0/queues/uevent': '' },
    }),
  );
  expect(() =>
    planTuning({
      topology: readTopology(tree.root, KNOB_FILES),
      profile: resolveProfile('own.yaml', () => `knobs: { ${knob}: on }`),
      roles: { connections: 1, ports: [80], interface: 'eth0' },
    }),
  ).toThrow(/eth0 has no (receive|send) queues/);
});
