import { readFileSync } from 'node:fs';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { findNetwork, networkNames, PATH_KINDS } from '../../src/network/index.js';
import {
  openTestbed,
  probeNetworks,
  probePathMtus,
  type Testbed,
  type PathMtus,
} from '../../src/testbed/index.js';
import { barewire } from '../cli/barewire.js';
import { setUpTwoContainers, VERSIONS } from './reach-table.js';

const wire = { mtu: 1500, rateMbps: null };
const testbeds = new Map<number, Testbed>();
beforeAll(async () => {
  for (const ip of VERSIONS) testbeds.set(ip, await openTestbed({ kind: 'netns' }, { wire, ip }));
});
afterAll(async () => {
  for (const testbed of testbeds.values()) await testbed[Symbol.asyncDispose]();
});

/** What the page says of a network: three cells for IPv4, three for IPv6. */
function cellsOf(name: string, version: 4 | 6): string[] {
  const row = readFileSync('docs/paths.md', 'utf8')
    .split('\n')
    .find((line) => line.startsWith(`| ${name} `));
  const cells = (row ?? '').split('|').map((cell) => cell.trim());
  return version === 4 ? cells.slice(2, 5) : cells.slice(5, 8);
}

describe.each(networkNames())('between namespaces %s', (name) => {
  test.for(VERSIONS)('has over IPv%i the path MTUs of docs/paths.md', async (version, context) => {
    const testbed = testbeds.get(version);
    if (testbed === undefined) throw new Error(`no testbed for IPv${version}`);
    const [status] = await probeNetworks(testbed, [findNetwork(name)]);
    context.skip(status?.support === 'no', `not supported: ${JSON.stringify(status?.finding)}`);
    await using active = await setUpTwoContainers(testbed, findNetwork(name));
    const reach = await probePathMtus(testbed, active);
    const found = PATH_KINDS.map((kind) => reach[kind]?.toLocaleString('en') ?? 'no');
    expect(found).toEqual(cellsOf(name, version).map((cell) => cell.replace(/ \(\d+\)$/, '')));
  });
});

describe('a path whose MTU is below that of its links', () => {
  test('is found by bisection', async () => {
    const testbed = testbeds.get(4);
    if (testbed === undefined) throw new Error('no testbed for IPv4');
    await using active = await setUpTwoContainers(testbed, findNetwork('flannel-host-gw'));
    const { machine } = testbed.server;
    await machine.run(['ip', 'link', 'set', 'cni0', 'mtu', '1333']);
    const reach = await probePathMtus(testbed, active);
    expect(reach).toEqual({ across: 1333, sameHost: 1500, ownHost: 1500 });
  });
});

test('barewire networks --paths measures every network that can run', async () => {
  const { stdout } = await barewire(['networks', '--paths', '--json']);
  const rows = JSON.parse(stdout) as { name: string; support: string; paths?: PathMtus }[];
  const pathsOf = (name: string) => rows.find((row) => row.name === name)?.paths;
  expect(pathsOf('flannel-vxlan')).toEqual({ across: 1450, sameHost: 1450, ownHost: 1450 });
  expect(pathsOf('macvlan')).toEqual({ across: 1500, sameHost: 1500, ownHost: null });
  for (const { support, paths } of rows) expect(paths === undefined).toBe(support === 'no');
});
