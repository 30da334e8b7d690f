import { expect, test } from 'vitest';
import type { SideMetrics } from '../../src/schema/index.js';
import { summarize } from '../../src/stats/index.js';
import { logNormal, slice, study } from './synthetic.js';

interface Load {
  readonly server?: Partial<SideMetrics['cpuSeconds']>;
  readonly client?: number;
  readonly counters?: Readonly<Record<string, number>>;
}

/** The limit of a cell whose one slice of a second at 1,000/s has these readings. */
function limitOf({ server = {}, client = 0.1, counters = {} }: Load, rateMbps: number | null = null) {
  const made = slice({ network: 'host', role: 'reference' }, logNormal(1, 1000, 1e5));
  if (made.record.status !== 'measured') throw new Error('not measured');
  const seconds = { user: 0, system: 0, softirq: 0, irq: 0, steal: 0, idle: 0, ...server };
  made.record.metrics.server = {
    ...made.record.metrics.server,
    counters,
    cpuSecondsByCpu: [{ cpu: 1, ...seconds }],
  };
  if ('cpuShare' in made.record.load.selfCheck) made.record.load.selfCheck.cpuShare = client;
  const summary = summarize(study({ networks: ['host'], wire: { mtu: 1500, rateMbps } }), [made]);
  return summary.networks[0]?.cells[0]?.limit;
}

test.each([
  ['a link', { counters: { 'eth0.tx_bytes': 11.5e6 } }, 'limit-link'],
  ['losses', { counters: { 'Tcp.RetransSegs': 20 }, server: { user: 0.99, idle: 0.01 } }, 'limit-loss'],
  ['softirq', { server: { user: 0.2, softirq: 0.75, idle: 0.05 } }, 'limit-softirq'],
  ["the server's CPU", { server: { user: 0.6, system: 0.3, softirq: 0.05, idle: 0.05 } }, 'limit-cpu'],
  ["the generator's CPU", { client: 0.97, server: { user: 0.1, idle: 0.9 } }, 'limit-cpu'],
  [
    'a CPU quota of the server',
    {
      counters: { 'cgroup.nr_periods': 10, 'cgroup.nr_throttled': 1 },
      server: { user: 0.99, idle: 0.01 },
    },
    'limit-quota',
  ],
  ['nothing', { server: { user: 0.3, idle: 0.7 } }, 'limit-none'],
])('a cell is limited by %s', (_, load, code) => {
  expect(limitOf(load, 100)).toMatchObject({ code });
});

test('a link without a known speed is no limit', () => {
  expect(limitOf({ counters: { 'eth0.tx_bytes': 1e9 } })).toMatchObject({
    code: 'limit-none',
    side: 'client',
  });
});

test('the loopback interface is no link, and an interface whose name ends in lo is one', () => {
  expect(limitOf({ counters: { 'lo.tx_bytes': 1e9, 'container:lo.rx_bytes': 1e9 } }, 100)).toMatchObject({
    code: 'limit-none',
  });
  expect(limitOf({ counters: { 'wlo.tx_bytes': 12e6 } }, 100)).toMatchObject({ code: 'limit-link' });
});

test('the load of a CPU is pooled over the slices and adds up to 1', () => {
  const slices = [0.25, 0.75].map((user, index) => {
    const made = slice(
      { id: `r1-${index}`, round: index + 1, network: 'host', role: 'reference' },
      logNormal(index, 1000, 1e5),
    );
    if (made.record.status !== 'measured') throw new Error('not measured');
    const seconds = { user, system: 0, softirq: 0, irq: 0, steal: 0, idle: 1 - user };
    made.record.metrics.server = { ...made.record.metrics.server, cpuSecondsByCpu: [{ cpu: 3, ...seconds }] };
    return made;
  });
  const [cell] = summarize(study({ networks: ['host'] }), slices).networks[0]?.cells ?? [];
  expect(cell?.cpuLoad.server).toEqual([
    { cpu: 3, user: 0.5, system: 0, softirq: 0, irq: 0, steal: 0, idle: 0.5 },
  ]);
});

test('the knee is the lowest rate with twice the p50 of the lowest rate', () => {
  const curve = (p50Us: readonly number[]) => {
    const slices = p50Us.map((us, index) =>
      slice(
        { id: `r1-${index}`, network: 'host', role: 'reference', rateRps: 1000 * (index + 1) },
        logNormal(index, 1000, us * 1e3),
      ),
    );
    return summarize(study({ networks: ['host'] }), slices).networks[0]?.kneeRps;
  };
  expect(curve([100, 120, 250, 900])).toBe(3000);
  expect(curve([100, 120, 150])).toBeNull();
  expect(curve([100])).toBeNull();
});
