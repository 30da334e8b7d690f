import { afterEach, beforeEach, expect, test } from 'vitest';
import { KernelNetwork } from '../../src/machine/index.js';
import type { KernelObject } from '../../src/schema/index.js';
import { KernelKeeper, MARKS, type KernelKeeperEvent } from '../../src/service/kernel-keeper.js';
import { openTestHost, sh, type TestHost } from '../machine/test-host.js';

let testHost: TestHost;
let kernel: KernelNetwork;
beforeEach(() => {
  testHost = openTestHost();
  kernel = new KernelNetwork(`/run/netns/${testHost.netns}`, MARKS.protocol);
});
afterEach(() => {
  kernel[Symbol.dispose]();
  testHost[Symbol.dispose]();
});

const route = (third: number): KernelObject => ({
  kind: 'route',
  destination: `10.50.${third}.0/24`,
  via: '192.0.2.2',
  link: 'eth0',
});

test('a change of a peer is no repair, also while another program changes the network', () => {
  const objects = [route(1), route(2)];
  const events: KernelKeeperEvent[] = [];
  const keeper = new KernelKeeper(
    kernel,
    () => ({ objects, interface: 'eth0' }),
    (event) => events.push(event),
  );
  keeper.check();
  expect(keeper.counters.repairedObjects).toBe(0);

  sh('ip', '-n', testHost.netns, 'route', 'del', '10.50.1.0/24');
  objects.push(route(3));
  keeper.follow([{ verb: 'add', object: route(3) }]);

  expect(keeper.counters).toMatchObject({ repairedObjects: 1, refusedEdits: 0 });
  expect(events).toEqual([{ kind: 'repaired', edits: [{ verb: 'add', object: route(1) }] }]);
  const routes = sh('ip', '-n', testHost.netns, 'route', 'show', 'proto', String(MARKS.protocol));
  for (const third of [1, 2, 3]) expect(routes).toContain(`10.50.${third}.0/24 via 192.0.2.2`);
});
