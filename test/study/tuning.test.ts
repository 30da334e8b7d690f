import { execFileSync } from 'node:child_process';
import { mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, test, vi } from 'vitest';
import { readTopology } from '../../src/linux/index.js';
import { BarewireError, type StudyRecord, type Summary } from '../../src/schema/index.js';
import { planStudyOnHosts, resolveSpec } from '../../src/study/index.js';
import { groupNetworks } from '../../src/study/groups.js';
import { planStation } from '../../src/study/plan-stations.js';
import { withTwin } from '../../src/study/twin.js';
import { findOfferedNetwork, type PlannedHost } from '../../src/testbed/index.js';
import { KNOB_FILES } from '../../src/tuning/index.js';
import { Run, sleep } from '../cli/barewire.js';
import { assertNothingLeft, snapshotMachine } from '../leaks.js';

vi.setConfig({ testTimeout: 120_000 });

const PROFILE = `extends: none
knobs: { notrack: on, congestion-control: [reno, bbr, cubic], swappiness: 10, irq-affinity: spread }
`;
let folder: string;
beforeAll(() => {
  folder = mkdtempSync(join(tmpdir(), 'barewire-tuning-'));
  writeFileSync(join(folder, 'own.yaml'), PROFILE);
});
afterAll(() => rmSync(folder, { recursive: true }));

const SPEC = { networks: ['host'], rates: [5000], restarts: 1, rounds: 2, slice: '200ms', seed: 3 };
const resolve = (spec: object) =>
  resolveSpec({ ...SPEC, ...spec }, 'spec.yaml', {}, () => 7, {
    readTopology: () => readTopology('/', KNOB_FILES),
    readText: () => PROFILE,
  });

/** A host of the testbed `vm` as its plan has it. */
const host = (role: 'client' | 'server', index: number): PlannedHost => ({
  role,
  net: {
    name: role,
    index,
    dev: 'eth0',
    address: `198.18.0.${index}`,
    prefix: 24,
    mac: `02:00:00:00:00:0${index}`,
    mtu: 1_500,
    ipv6: false,
  },
  cpus: [0, 1],
  bundle: ['node', 'agent.mjs'],
});

test('networks that a study of a deployed network adds are tuned like it', () => {
  const asked = resolve({ testbed: 'ssh:web1,db1', networks: ['deployed'], tune: 'own.yaml' });
  const node = {} as never;
  const { networks, references, tuning } = withTwin(asked, {
    deployed: {
      nodes: { client: node, server: node },
      what: '',
      twin: 'flannel-host-gw',
      steps: { client: [], server: [] },
    },
  });
  expect(networks).toEqual(['deployed', 'host', 'flannel-host-gw']);
  expect(references).toMatchObject({ deployed: 'flannel-host-gw' });
  const arm = tuning?.arms['deployed'];
  expect(arm).toMatchObject({ notrack: 'on' });
  expect(tuning?.arms).toEqual({ deployed: arm, host: arm, 'flannel-host-gw': arm });
});

describe('an ablation', () => {
  test('has the hosts that its networks need', async () => {
    const { testbed, stations } = await planStudyOnHosts(
      resolve({ networks: ['flannel-aws-vpc'], ablate: 'own.yaml' }),
    );
    expect(testbed.hosts.client.net.vpc).toBeDefined();
    expect(JSON.stringify(testbed.steps)).toContain('-vpc');
    for (const station of stations) {
      expect(station.kind, station.network).toBe('planned');
      expect(station.caveat).toBeDefined();
    }
  });

  test('has an arm for nothing, everything, each value alone and each knob left out', () => {
    const { networks, reference, references, tuning, congestionControl } = resolve({ ablate: 'own.yaml' });
    expect(reference).toBe('host@none');
    expect(networks).toEqual([
      'host@none',
      'host@all',
      'host@notrack',
      'host@all-notrack',
      'host@congestion-control',
      'host@congestion-control.2',
      'host@all-congestion-control',
    ]);
    expect(references).toMatchObject({ 'host@notrack': 'host@none', 'host@all-notrack': 'host@all' });
    expect(tuning?.arms).toMatchObject({
      'host@none': {},
      'host@all': { notrack: 'on', 'congestion-control': 'reno' },
      'host@congestion-control.2': { 'congestion-control': 'bbr' },
      'host@all-notrack': { 'congestion-control': 'reno' },
    });
    expect(congestionControl).toBe('cubic');
  });

  test('of machines compares their own knobs, whatever this machine has', () => {
    const { tuning } = resolve({ ablate: 'latency', testbed: 'ssh:web1,db1' });
    expect(tuning?.ablation?.omitted).toEqual([
      { knob: 'generator-affinity', finding: { code: 'generator-shared' } },
    ]);
    expect(tuning?.ablation?.effects.map(({ knob }) => knob)).toEqual(
      expect.arrayContaining(['irq-affinity', 'rps', 'busy-poll', 'swappiness', 'cpu-dma-latency']),
    );
  });

  test('on hosts that arms share gives each a port, and measures all in the same rounds', () => {
    const study = resolve({ ablate: 'own.yaml', testbed: 'vm', restarts: 2 });
    const groups = groupNetworks(study, study.networks, 1);
    expect(groups).toHaveLength(1);
    const stations = groups[0]?.stations ?? [];
    expect(stations).toHaveLength(study.networks.length + 1);
    const hosts = { client: host('client', 1), server: { ...host('server', 2), takenPorts: [8101, 8103] } };
    const plans = stations.map((station) =>
      planStation(station, findOfferedNetwork(study.testbed, station.network), { hosts, steps: [] }, study),
    );
    const ports = plans.map(({ port }) => port);
    expect(new Set(ports).size).toBe(plans.length);
    // Another program listens there.
    for (const port of [8101, 8103]) expect(ports).not.toContain(port);
    for (const plan of plans) {
      if (plan.kind !== 'planned') throw new Error(plan.network);
      expect(JSON.stringify(plan.server)).toContain(`:${plan.port}`);
      const wanted = study.tuning?.arms[plan.network]?.['congestion-control'] ?? 'cubic';
      for (const steps of [plan.pins.client, plan.pins.server])
        expect(JSON.stringify(steps)).toContain(`congctl","${wanted}`);
    }
  });

  test('names the knobs that it cannot compare, with the reason', () => {
    expect(resolve({ ablate: 'own.yaml' }).tuning?.ablation?.omitted).toEqual([
      { knob: 'swappiness', finding: { code: 'machine-shared' } },
      { knob: 'irq-affinity', finding: { code: 'no-interrupts', device: 'veth' } },
      { knob: 'congestion-control', finding: { code: 'pinned-by-study', value: 'cubic' } },
    ]);
  });
});

test.each([
  [{ tune: 'latency', ablate: 'latency' }, 'exclude each other'],
  [{ tuneMachine: true }, 'has no effect'],
  [{ design: 'each' }, 'about an ablation'],
  [
    { ablate: 'latency', testbed: 'ssh:a,b', networks: ['flannel-vxlan'] },
    'on the network host alone, not on flannel-vxlan',
  ],
  [{ ablate: 'own.yaml', testbed: 'ssh:a,b', design: 'each', containers: 'docker' }, 'are not tuned'],
  [{ tune: 'latency', containers: 'docker' }, 'are not tuned'],
  [{ tune: 'latencyy' }, 'unknown profile'],
  [{ networks: ['host@all'] }, 'not a network'],
])('%j is refused: %s', (spec, reason) => {
  expect(() => resolve(spec)).toThrow(BarewireError);
  expect(() => resolve(spec)).toThrow(reason);
});

/** The algorithms of established connections in each host of a run, by the name of its namespace. */
function readAlgorithms(into: Map<string, Set<string>>): void {
  for (const netns of readdirSync('/run/netns').filter((name) => /^bw-.*-(client|server)$/.test(name)))
    try {
      const shown = execFileSync('ip', ['netns', 'exec', netns, 'ss', '-Htin', 'state', 'established'], {
        encoding: 'utf8',
        stdio: ['ignore', 'pipe', 'ignore'],
      });
      for (const [, name = ''] of shown.matchAll(/^\s+(?:ts )?(?:sack )?([a-z_0-9]+) /gm))
        into.set(netns, (into.get(netns) ?? new Set()).add(name));
    } catch {
      // The namespace was removed meanwhile.
    }
}

async function study(
  spec: object,
  during: () => void,
): Promise<{ record: StudyRecord; summary: Summary; report: string; stderr: string }> {
  const file = join(folder, 'spec.json');
  const out = mkdtempSync(join(folder, 'results-'));
  rmSync(out, { recursive: true });
  writeFileSync(file, JSON.stringify({ ...SPEC, ...spec }));
  const run = new Run(['study', file, '--out', out]);
  const state = { isOver: false };
  void run.ended.then(() => (state.isOver = true));
  while (!state.isOver) {
    during();
    await sleep(50);
  }
  const { stderr, stdout } = await run.ended;
  const read = (name: string): unknown => JSON.parse(readFileSync(join(out, name), 'utf8'));
  return {
    record: read('study.json') as StudyRecord,
    summary: read('summary.json') as Summary,
    report: stdout,
    stderr,
  };
}

test('an ablation sets each arm on hosts of its own: its connections use its algorithm', async () => {
  const before = await snapshotMachine();
  const seen = new Map<string, Set<string>>();
  const { record, report, stderr } = await study(
    { ablate: join(folder, 'own.yaml'), rounds: 4, slice: '300ms' },
    () => readAlgorithms(seen),
  );
  const arms = record.tuned?.filter(({ role }) => role === 'server') ?? [];
  expect(arms.map(({ network }) => network).sort(), stderr).toEqual(
    record.spec.networks.filter((name) => name !== 'host@none').sort(),
  );
  expect(arms.flatMap(({ settings }) => settings).every(({ holds }) => holds)).toBe(true);
  const algorithmOf = Object.entries(record.spec.tuning?.arms ?? {}).flatMap(([arm, knobs]) =>
    knobs['congestion-control'] === undefined ? [] : [[arm, knobs['congestion-control']]],
  );
  expect(algorithmOf.length).toBeGreaterThan(2);
  const verified = arms.flatMap(({ network, settings }) =>
    settings.flatMap(({ what, found }) =>
      what === 'congestion control of the open connections' ? [[network, found]] : [],
    ),
  );
  expect(Object.fromEntries(verified)).toEqual(Object.fromEntries(algorithmOf));
  // Each host has one algorithm; of all hosts, both were seen.
  for (const [netns, algorithms] of seen) expect([...algorithms], netns).toHaveLength(1);
  const all = new Set([...seen.values()].flatMap((algorithms) => [...algorithms]));
  expect(all).toContain('reno');
  expect(all).toContain('cubic');
  expect(all).toContain('bbr');
  expect(report).toContain('What each knob buys');
  expect(report).toContain('swappiness is not compared: It belongs to the machine');
  await assertNothingLeft(before);
});

test('a setting that another program changes during the study is reported at the top', async () => {
  const { summary, report } = await study({ tune: join(folder, 'own.yaml'), rounds: 10 }, () => {
    for (const netns of readdirSync('/run/netns').filter((name) => /^bw-.*-server$/.test(name)))
      try {
        execFileSync('ip', ['netns', 'exec', netns, 'nft', 'delete', 'table', 'inet', 'barewire-tuning'], {
          stdio: 'ignore',
        });
      } catch {
        // Not there yet, or deleted already.
      }
  });
  expect(summary.warnings).toContainEqual(
    expect.objectContaining({ code: 'setting-lost', wanted: 'present', found: 'absent' }),
  );
  expect(report.slice(0, report.indexOf('Decision'))).toContain('The tuning did not hold');
  expect(summary.tuning?.hosts.flatMap(({ ofMachine }) => ofMachine)).toContain('swappiness');
});

test('an ablation decides for a knob of known effect, and not for one without an effect', async () => {
  // 2,000 responses a second take 6.7 Mbit/s: at random moments they wait for each other in a bucket of 7.4 Mbit/s. No packet is a fragment.
  const profile = join(folder, 'known.yaml');
  writeFileSync(
    profile,
    "extends: none\nknobs: { qdisc: tbf rate 7400kbit burst 1600 limit 100000, 'net.ipv4.ipfrag_time': 31 }\n",
  );
  const { report } = await study(
    { ablate: profile, rates: [2000], arrival: 'poisson', restarts: 4, rounds: 5, slice: '250ms' },
    () => undefined,
  );
  const decision = report.slice(report.indexOf('Decision'), report.indexOf('What each knob buys'));
  const lines = decision.replace(/\n +/g, ' ').split('\n');
  const lineOf = (knob: string): string => lines.find((line) => line.includes(knob)) ?? 'none';
  expect(lineOf('qdisc')).toContain('leave out: worse somewhere and nowhere better');
  expect(lineOf('ipfrag_time')).toMatch(/no effect that matters|not decided in this time/);
});

test('a Plackett–Burman study finds the knob of known effect among others', async () => {
  const profile = join(folder, 'several.yaml');
  writeFileSync(
    profile,
    "extends: none\nknobs: { qdisc: tbf rate 7400kbit burst 1600 limit 100000, 'net.ipv4.ipfrag_time': 31, tcp-tw-reuse: 1, somaxconn: 5000, port-range: 3000 65000 }\n",
  );
  const { record, summary, report } = await study(
    {
      ...{ ablate: profile, design: 'plackett-burman', rates: [2000], arrival: 'poisson' },
      ...{ restarts: 4, rounds: 4, slice: '200ms' },
    },
    () => undefined,
  );
  expect(record.spec.networks).toHaveLength(12);
  // Each knob is in half of the arms, and each two of them together in a quarter.
  const arms = Object.values(record.spec.tuning?.arms ?? {});
  const effects = record.spec.tuning?.ablation?.effects ?? [];
  const knobs = effects.map(({ knob }) => knob);
  for (const [at, one] of knobs.entries()) {
    expect(arms.filter((arm) => arm[one] !== undefined)).toHaveLength(6);
    for (const other of knobs.slice(at + 1))
      expect(arms.filter((arm) => arm[one] !== undefined && arm[other] !== undefined)).toHaveLength(3);
  }
  expect(effects.every(({ kind }) => kind === 'main')).toBe(true);
  const main = summary.tuning?.mainEffects ?? [];
  expect(main.map(({ arm }) => arm)).toEqual(effects.map(({ arm }) => arm));
  const qdisc = main.find(({ arm }) => arm === 'host@qdisc');
  expect([qdisc?.verdicts.p50?.verdict, qdisc?.verdicts.p99?.verdict]).toContain('worse');
  const decision = report.slice(report.indexOf('Decision'), report.indexOf('What each knob buys'));
  const lines = decision.replace(/\n +/g, ' ').split('\n');
  expect(lines.find((line) => line.includes('qdisc'))).toContain('leave out: worse somewhere');
  for (const knob of knobs.filter((name) => name !== 'qdisc'))
    expect(lines.find((line) => line.includes(knob))).toMatch(/no effect that matters|not decided/);
  expect(report).toContain('A Plackett–Burman design');
});

test('settings of the machine are written for the slices of an arm, verified and restored', async () => {
  // Harmless, and read by nothing in this test.
  const path = '/proc/sys/vm/stat_interval';
  const before = readFileSync(path, 'utf8').trim();
  const profile = join(folder, 'machine.yaml');
  writeFileSync(profile, 'extends: none\nknobs: { vm.stat_interval: 7, net.ipv4.ipfrag_time: 31 }\n');
  const seen = new Set<string>();
  const { record } = await study(
    { ablate: profile, tuneMachine: true, restarts: 1, rounds: 3, slice: '300ms' },
    () => seen.add(readFileSync(path, 'utf8').trim()),
  );
  expect([...seen].sort()).toEqual([before, '7'].sort());
  expect(readFileSync(path, 'utf8').trim()).toBe(before);
  const machine = record.tuned?.filter(({ role }) => role === 'machine') ?? [];
  expect(machine.map(({ network }) => network).sort()).toEqual([
    'host@all',
    'host@all-net.ipv4.ipfrag_time',
    'host@vm.stat_interval',
  ]);
  expect(machine.flatMap(({ settings }) => settings)).toEqual(
    machine.map((): unknown => expect.objectContaining({ what: path, wanted: '7', before, holds: true })),
  );
});
