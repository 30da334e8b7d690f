import { printCpuList, type TuningFinding } from '../../schema/index.js';
import { withSiblings } from '../situation.js';
import type { Knob, KnobPlan, KnobValue, Situation } from '../types.js';
import { choice, cpuRule, feature, queueing, wholeRange } from '../values.js';
import { namedCpus } from './named-cpus.js';

const RULES = ['other-cores', 'physical-cores'] as const;

const affinity = (process: 'server' | 'generator', what: string): Knob => ({
  name: `${process}-affinity`,
  what,
  why: 'A thread that stays on its CPU keeps its cache, and RFS steers its packets there.',
  scope: { where: 'process', takesEffect: 'process-start' },
  values: cpuRule(...RULES),
  plan: (situation, value) => {
    const { cpus, why, ignored } = chooseCpus(situation, process, value);
    const conflicts: TuningFinding[] =
      ignored.length === 0 ? [] : [{ code: 'cpus-ignored', knob: `${process}-affinity`, cpus: ignored }];
    return {
      settings: [
        {
          kind: 'affinity',
          path: `${process}:cpus`,
          value: printCpuList(cpus),
          reason: `${cpus.length} ${process === 'server' ? 'workers' : 'threads'}: ${why}`,
          process,
          cpus,
        },
      ],
      conflicts,
    };
  },
});

function chooseCpus(situation: Situation, process: 'server' | 'generator', value: KnobValue) {
  const { topology, cores, serving, roles } = situation;
  const given = process === 'server' ? roles.serverCpus : roles.generatorCpus;
  if (!RULES.some((rule) => rule === value))
    return { ...namedCpus(topology, `${process}-affinity`, value, true), why: 'as the profile says' };
  const allowedCores = cores.filter((cpu) => topology.allowed.includes(cpu));
  const fallback = allowedCores.length === 0 ? topology.allowed : allowedCores;
  const base = given === undefined ? null : namedCpus(topology, process, printCpuList(given), true);
  const cpus = base?.cpus ?? fallback;
  const ignored = base?.ignored ?? [];
  const all = { cpus, ignored, why: given === undefined ? 'one thread of each core' : 'as the testbed says' };
  if (value === 'physical-cores') return all;
  const busy = withSiblings(topology, serving);
  const others = cpus.filter((cpu) => !busy.includes(cpu));
  // With a queue for each core there would be none; with one for every second, half of the machine.
  if (others.length * 2 <= cpus.length || others.length === cpus.length) return all;
  return { cpus: others, ignored, why: `${all.why} without those of the interrupts` };
}

const notrack: Knob = {
  name: 'notrack',
  what: 'connection tracking for the ports of the load',
  why: 'A packet that is not tracked needs no lookup and no lock of the table.',
  scope: { where: 'namespace', takesEffect: 'live' },
  values: choice('on'),
  plan: ({ topology, roles }): KnobPlan =>
    topology.conntrack === false
      ? { settings: [], finding: { code: 'no-conntrack' } }
      : {
          settings: [
            {
              kind: 'notrack',
              path: 'nftables:notrack',
              value: roles.ports.join(','),
              reason: 'Packets of the load are not tracked, in both directions.',
              ports: roles.ports,
            },
          ],
        },
};

/** It is what NOTRACK and fewer rules save: a machine without a firewall has neither to save. */
const firewall: Knob = {
  name: 'firewall',
  what: 'a firewall that tracks connections, with so many rules that match no packet',
  why: 'An ablation shows what tracking and rules cost, and so what NOTRACK or fewer rules save.',
  scope: { where: 'namespace', takesEffect: 'live' },
  values: wholeRange(0, 1_000, 100),
  plan: (_, value) => ({
    settings: [
      {
        kind: 'firewall',
        path: 'nftables:firewall',
        value: String(value),
        reason: 'Connections are tracked, and each packet is compared with every rule.',
        rules: Number(value),
      },
    ],
  }),
};

const offload = (name: string, what: string, why: string): Knob => ({
  name,
  what,
  why,
  scope: { where: 'device', takesEffect: 'live' },
  values: feature,
  plan: ({ device }, value) => ({
    settings: [
      {
        kind: 'feature',
        path: `ethtool:${device.name}:${name}`,
        value: String(value),
        reason: why,
        device: device.name,
        feature: name,
      },
    ],
  }),
});

const qdisc: Knob = {
  name: 'qdisc',
  what: 'the queueing discipline of the device',
  why: 'It decides in what order and when packets are sent.',
  scope: { where: 'device', takesEffect: 'live' },
  values: queueing,
  plan: ({ device }, value) => ({
    settings: [
      {
        kind: 'qdisc',
        path: `tc:${device.name}:root`,
        value: String(value),
        reason: 'Packets wait in it before the device sends them.',
        device: device.name,
      },
    ],
  }),
};

/** What applies to the load: the CPUs of its processes, its packets and their offloads. */
export const LOAD_KNOBS: readonly Knob[] = [
  affinity('server', "the CPUs of nginx's workers, one each"),
  affinity('generator', "the CPUs of the generator's threads"),
  notrack,
  firewall,
  qdisc,
  offload(
    'gro',
    'whether received packets are joined (GRO)',
    'Joined packets cost less CPU each; a small request is not delayed.',
  ),
  offload(
    'lro',
    'whether the device joins received packets (LRO)',
    'It joins more than GRO, loses what forwarding needs, and adds delay.',
  ),
  offload(
    'gso',
    'whether sent packets are split late (GSO)',
    'A large response crosses the stack as one packet.',
  ),
  offload(
    'tso',
    'whether the device splits sent packets (TSO)',
    'The device splits a large response and not the CPU; small ones do not need it.',
  ),
];
