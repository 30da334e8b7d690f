import { expect, test } from 'vitest';
import { fullestArms, plainArms, planCostAblation } from '../../src/cost/ablation.js';
import { shellScriptOf } from '../../src/cost/shell-script.js';
import { buildCostDocument, render } from '../../src/report/index.js';
import { BarewireError, costSchema, type Cost } from '../../src/schema/index.js';
import type { Profile } from '../../src/tuning/index.js';
import { barewire } from '../cli/barewire.js';
import { sampleCost } from './sample.js';

const profile = (knobs: Profile['knobs']): Profile => ({ name: 'own', what: '', knobs });

test('each knob is alone and left out, and those without an effect in a guest have a reason', () => {
  const { arms, effects, omitted } = planCostAblation(
    profile({
      notrack: ['on'],
      firewall: [0, 100],
      'irq-affinity': ['spread'],
      'server-affinity': ['other-cores'],
    }),
    ['host', 'macvlan'],
  );
  expect(arms.map(({ name }) => name).filter((name) => name.startsWith('host'))).toEqual([
    'host@none',
    'host@all',
    'host@notrack',
    'host@all-notrack',
    'host@firewall',
    'host@firewall.2',
    'host@all-firewall',
  ]);
  expect(arms).toHaveLength(14);
  expect(arms.every(({ mitigations }) => !mitigations)).toBe(true);
  expect(effects).toContainEqual({
    network: 'macvlan',
    knob: 'firewall',
    value: '100',
    kind: 'alone',
    arm: 'macvlan@firewall.2',
    against: 'macvlan@none',
  });
  expect(omitted).toEqual([
    { knob: 'irq-affinity', finding: { code: 'no-interrupts', device: 'veth' } },
    { knob: 'server-affinity', finding: { code: 'single-cpu' } },
  ]);
});

test('RPS is counted where the profile names the CPU of the guest, which then passes packets to itself', () => {
  const plan = (rps: string) => planCostAblation(profile({ rps: [rps], notrack: ['on'] }), ['host']);
  expect(plan('all').omitted).toEqual([{ knob: 'rps', finding: { code: 'single-cpu' } }]);
  expect(plan('0').omitted).toEqual([]);
  expect(shellScriptOf({ name: 'host@rps', knobs: { rps: '0' } }).up).toMatch(
    /unshare -m sh -c 'mount -t sysfs sysfs \/sys && echo 1 > \/sys\/class\/net\/\S+\/queues\/rx-0\/rps_cpus'/,
  );
});

test('where mitigations are a knob, the kernel of the arms without it has them', () => {
  const { arms } = planCostAblation(profile({ mitigations: ['off'], notrack: ['on'] }), ['host']);
  expect(arms.map(({ name, mitigations }) => [name, mitigations])).toEqual([
    ['host@none', true],
    ['host@all', false],
    ['host@mitigations', false],
    ['host@all-mitigations', true],
    ['host@notrack', true],
    ['host@all-notrack', false],
  ]);
});

test('an arm with the most knobs of each network has the modules of all', () => {
  const { arms } = planCostAblation(profile({ firewall: [0], notrack: ['on'] }), ['host', 'macvlan']);
  expect(fullestArms(arms).map(({ name }) => name)).toEqual(['host@all', 'macvlan@all']);
  expect(fullestArms(plainArms(['host', 'macvlan']))).toEqual([]);
});

test('a profile without a knob for a guest is refused with the reasons', () => {
  expect(() => planCostAblation(profile({ xps: ['closest'] }), ['host'])).toThrow(BarewireError);
  expect(() => planCostAblation(profile({ xps: ['closest'] }), ['host'])).toThrow('in a guest of one CPU');
});

test('settings are made before the server starts: on the hosts, in containers, and where all share them', () => {
  const knobs = { firewall: 2, 'congestion-control': 'reno', gro: 'off', swappiness: 10 };
  const lines = shellScriptOf({ name: 'macvlan@all', knobs }).up.split('\n');
  const count = (pattern: RegExp): number => lines.filter((line) => pattern.test(line)).length;
  expect(count(/nft .*ip saddr 192\.0\.2\.1 drop; ip saddr 192\.0\.2\.2 drop; ct state/)).toBe(4);
  expect(count(/route add \S+ .*congctl reno/)).toBe(2);
  expect(count(/ethtool -K \S+ generic-receive-offload off/)).toBe(2);
  expect(count(/> \/run\/before\/proc\/sys\/vm\/swappiness$/)).toBe(1);
  expect(count(/^sh -c 'echo 10 > \/proc\/sys\/vm\/swappiness'/)).toBe(1);
  expect(lines.findLastIndex((line) => /nft|congctl|ethtool/.test(line))).toBeLessThan(
    lines.findIndex((line) => line.includes('nginx -')),
  );
  expect(shellScriptOf({ name: 'macvlan@none', knobs: {} }).up).not.toMatch(/nft|congctl|ethtool|before/);
});

test('the effect of a knob is the count with it less the one without it, also where it was left out', () => {
  const [kernel] = sampleCost.kernels;
  const [host] = kernel?.networks ?? [];
  const [cell] = host?.cells ?? [];
  if (kernel === undefined || host === undefined || cell === undefined) throw new Error('no sample');
  const arm = (name: string, total: number) => ({
    ...host,
    name,
    cells: [{ ...cell, spread: 0.001, instructions: { total, user: 20_000, kernel: total - 20_000 } }],
  });
  const cost: Cost = {
    ...sampleCost,
    reference: 'host@none',
    kernels: [
      {
        ...kernel,
        networks: [
          arm('host@none', 60_000),
          arm('host@all', 61_000),
          arm('host@firewall', 65_000),
          arm('host@all-firewall', 60_010),
          arm('host@notrack', 60_010),
          arm('host@all-notrack', 65_000),
        ],
      },
    ],
    ablation: planCostAblation(profile({ firewall: [100], notrack: ['on'] }), ['host']),
  };
  expect(costSchema.parse(cost)).toBeDefined();
  const printed = render(buildCostDocument(cost), 'terminal', { colour: false, width: 120 });
  expect(printed).toMatch(/^host: all +all knobs +\+1,000 +\+0 +\+1,000 +1\.0167 +721$/m);
  expect(printed).toMatch(/^host: firewall 100 +alone +\+5,000 +\+0 +\+5,000 +1\.0833 +725$/m);
  expect(printed).toMatch(/^host: notrack on +alone +\+10 +/m);
  expect(printed).toMatch(/^host: notrack on +left out +−4,000 +\+0 +−4,000 +0\.9385 +776$/m);
});

test.each([
  [['--ablate', 'latencyy'], /unknown profile "latencyy"/],
  [['--ablate', 'latency', '--into', '.'], /exclude each other/],
])('a wrong request is refused before anything is booted: %j', async (args, said) => {
  const { status, stderr } = await barewire(['cost', ...args]);
  expect([status, stderr]).toEqual([2, expect.stringMatching(said)]);
});
