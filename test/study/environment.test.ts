import { writeFileSync } from 'node:fs';
import { expect, test } from 'vitest';
import { readEnvironment } from '../../src/linux/index.js';
import { inScratchNetns } from '../../src/linux/netns.js';
import { buildComparisonDocument, render } from '../../src/report/index.js';
import type { Environment } from '../../src/schema/index.js';
import { compareStudies } from '../../src/stats/index.js';
import { restarts, study } from '../stats/synthetic.js';

/** The facts of a namespace after some of its settings were written. */
const factsWith = (settings: Readonly<Record<string, string>>) =>
  inScratchNetns(() => {
    for (const [name, value] of Object.entries(settings))
      writeFileSync(`/proc/sys/${name.replaceAll('.', '/')}`, value);
    return readEnvironment();
  });

test('settings that change a measurement are recorded for each host', () => {
  const facts = factsWith({});
  for (const name of [
    'congestionControl',
    'defaultQdisc',
    'kernelParameters',
    'microcode',
    'mitigations',
    'vulnerabilities',
    'preemption',
    'net.core.busy_poll',
    'net.core.somaxconn',
    'net.ipv4.tcp_rmem',
    'net.ipv4.ip_local_port_range',
    'net.netfilter.nf_conntrack_max',
  ])
    expect(facts).toHaveProperty([name]);
  expect(facts['net.ipv4.tcp_rmem']).toMatch(/^\d+ \d+ \d+$/);
});

test('two studies whose hosts differ by a sysctl list it first', () => {
  const base = factsWith({});
  const now = factsWith({ 'net.core.somaxconn': '333', 'net.ipv4.tcp_slow_start_after_idle': '0' });
  const run = (environment: Environment) => ({
    study: { ...study(), environment: { client: environment } },
    slices: restarts(4, 500, 1),
  });
  const comparison = compareStudies(run(base), run(now));
  expect(comparison.environment).toEqual([
    { host: 'client', name: 'net.core.somaxconn', a: base['net.core.somaxconn'], b: '333' },
    { host: 'client', name: 'net.ipv4.tcp_slow_start_after_idle', a: '1', b: '0' },
  ]);
  expect(comparison.warnings[0]).toEqual({
    code: 'hosts-differ',
    names: ['net.core.somaxconn', 'net.ipv4.tcp_slow_start_after_idle'],
  });
  const text = render(buildComparisonDocument(comparison), 'markdown', { colour: false, width: 100 });
  expect(text.indexOf('net.core.somaxconn')).toBeGreaterThan(0);
  expect(text.indexOf('net.core.somaxconn')).toBeLessThan(text.indexOf('In short'));
});

test('what an earlier version did not record is no difference of the hosts', () => {
  const { 'net.core.somaxconn': _, ...earlier } = factsWith({});
  const run = (environment: Environment, version: string) => ({
    study: { ...study(), version, environment: { client: environment } },
    slices: restarts(4, 500, 1),
  });
  const now = run(factsWith({}), '2');
  expect(compareStudies(run(earlier, '1'), now).environment).toEqual([]);
  expect(compareStudies(run(earlier, '2'), now).environment).toMatchObject([
    { host: 'client', name: 'net.core.somaxconn', a: null },
  ]);
});
