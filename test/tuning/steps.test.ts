import { expect, test } from 'vitest';
import type { Setting } from '../../src/schema/index.js';
import { tuningSteps } from '../../src/tuning/index.js';

const common = { knob: 'k', value: '1', reason: 'r' };
const live = { takesEffect: 'live' } as const;
const SETTINGS: readonly Setting[] = [
  {
    ...common,
    kind: 'file',
    path: '/proc/sys/net/ipv4/tcp_fin_timeout',
    scope: { where: 'namespace', ...live },
  },
  {
    ...common,
    kind: 'file',
    path: '/sys/class/net/eth0/queues/rx-0/rps_cpus',
    scope: { where: 'device', ...live },
  },
  {
    ...common,
    kind: 'held-file',
    path: '/dev/cpu_dma_latency',
    value: '-1',
    scope: { where: 'machine', ...live },
  },
  {
    ...common,
    kind: 'notrack',
    path: 'nftables:notrack',
    ports: [80, 8080],
    scope: { where: 'namespace', ...live },
  },
  {
    ...common,
    kind: 'affinity',
    path: 'server:cpus',
    process: 'server',
    cpus: [1],
    scope: { where: 'process', takesEffect: 'process-start' },
  },
];

test('settings of a namespace are made in each, those of a device and of the machine on the host alone', () => {
  const places = tuningSteps(SETTINGS, [null, 'container']).map(({ do: action }) => [
    action.kind,
    'netns' in action ? action.netns : null,
  ]);
  expect(places).toEqual([
    ['setting', null],
    ['setting', 'container'],
    ['setting', null],
    ['process', null],
    ['nftables', null],
    ['nftables', 'container'],
  ]);
});

test('every step is undone by what it set', () => {
  for (const { do: action, undo } of tuningSteps(SETTINGS)) expect(undo?.kind).toBe(action.kind);
});

test('a file that is held open gets eight hexadecimal digits, also of a negative number', () => {
  const [hold] = tuningSteps(SETTINGS).flatMap(({ do: action }) =>
    action.kind === 'process' ? [action] : [],
  );
  expect(hold?.argv.slice(-2)).toEqual(['/dev/cpu_dma_latency', 'ffffffff']);
});

test('packets to and from the ports are not tracked, whether they arrive or are sent', () => {
  const [table] = tuningSteps(SETTINGS).flatMap(({ do: action }) =>
    action.kind === 'nftables' ? [action] : [],
  );
  expect(table?.chains).toHaveLength(2);
  for (const [at, hook] of ['prerouting', 'output'].entries()) {
    expect(table?.chains[at]).toContain(`hook ${hook} priority raw`);
    expect(table?.chains[at]).toContain('tcp dport { 80, 8080 } notrack; tcp sport { 80, 8080 } notrack;');
  }
});

test('a firewall tracks connections, after its rules have been compared', () => {
  const [step] = tuningSteps([
    {
      kind: 'firewall',
      knob: 'firewall',
      path: 'nftables:firewall',
      value: '3',
      reason: '',
      scope: { where: 'namespace', takesEffect: 'live' },
      rules: 3,
    },
  ]);
  const { do: action, undo } = step ?? {};
  if (action?.kind !== 'nftables') throw new Error('no table');
  expect(undo).toMatchObject({ kind: 'nftables', table: action.table });
  expect(action.chains.map((chain) => chain.match(/ip saddr 192\.0\.2\.\d+ drop; /g)?.length)).toEqual([
    3, 3,
  ]);
  for (const chain of action.chains) expect(chain).toMatch(/drop; ct state established,untracked accept; }$/);
});
