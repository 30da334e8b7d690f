import { expect, test, vi } from 'vitest';
import { openTestbed, readNicFacts } from '../../src/testbed/index.js';
import { parseSpeed } from '../../src/testbed/nic.js';

const wire = { mtu: 1400, rateMbps: null };

test('a host has the driver, the offloads and the MTU of its data interface, as ethtool reads them', async () => {
  await using testbed = await openTestbed({ kind: 'netns' }, { wire });
  const facts = await readNicFacts(testbed.client);
  expect(facts).toMatchObject({ nicMtu: 1400, nicDriver: 'veth', nicQdisc: 'noqueue' });
  expect(facts['nicOffloads']).toMatch(/\bgeneric-segmentation-offload\b/);
  expect(facts['nicOffloads']).not.toMatch(/large-receive-offload/);
});

test("a namespace of this machine does not have the speed of the machine's own link of the same name", async () => {
  await using testbed = await openTestbed({ kind: 'netns' }, { wire });
  const read = vi.spyOn(testbed.client.machine, 'readFiles');
  expect(await readNicFacts(testbed.client)).not.toHaveProperty('linkMbps');
  expect(read).not.toHaveBeenCalled();
});

test.each([
  ['10000\n', 10_000],
  ['-1\n', null],
  ['', null],
  [null, null],
])('the speed %j of /sys is %s Mbit/s', (text, mbps) => {
  expect(parseSpeed(text)).toBe(mbps);
});
