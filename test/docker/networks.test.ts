import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, expect, test, vi } from 'vitest';
import type { SliceRecord } from '../../src/schema/index.js';
import { ResultsDirectory, resolveSpec, runStudy } from '../../src/study/index.js';
import {
  findDockerEffects,
  findOfferedNetwork,
  openTestbed,
  probeNetworks,
  registerTestbed,
  setUpNetwork,
} from '../../src/testbed/index.js';
import { makeImages, type TestImages } from './images.js';
import { usersKind, type UsersHosts } from './users-testbed.js';

vi.setConfig({ testTimeout: 240_000, hookTimeout: 60_000 });

let images: TestImages;
beforeAll(() => (images = makeImages()));
afterAll(() => images[Symbol.dispose]());

const dump = ({ client, server }: UsersHosts): string[] => [client.dump(), server.dump()];

test("a study on a user's Docker hosts measures every network and changes nothing that the user has", async () => {
  let before: string[] = [];
  let after: string[] = [];
  const kind = usersKind(
    images,
    (hosts) => (before = dump(hosts)),
    (hosts) => (after = dump(hosts)),
  );
  using _kind = registerTestbed(kind);
  const folder = mkdtempSync(join(tmpdir(), 'barewire-docker-'));
  const routed = ['host', 'macvlan', 'docker-macvlan', 'host-gw-ptp', 'flannel-host-gw', 'flannel-vxlan'];
  const networks = [...routed, 'docker-bridge'];
  const input = {
    ...{ testbed: 'docker-hosts', containers: 'docker', networks, rates: [1_000], restarts: 1, rounds: 1 },
    ...{ slice: '200ms', imageNode: 'barewire.test/node:1', imageNginx: 'barewire.test/nginx:1' },
  };
  try {
    const directory = new ResultsDirectory(join(folder, 'results'));
    await runStudy({
      spec: resolveSpec(input, 'the test', {}, () => 1),
      directory,
      startedAt: new Date().toISOString(),
      version: '0.0.0',
      signal: new AbortController().signal,
      onEvent: () => undefined,
    });
    const slices = readFileSync(join(directory.path, 'slices.jsonl'), 'utf8')
      .split('\n')
      .filter(Boolean)
      .map((line) => JSON.parse(line) as SliceRecord);
    expect(slices.flatMap((slice) => (slice.status === 'failed' ? [slice.finding] : []))).toEqual([]);
    const sources = slices.flatMap(({ network, setup }) =>
      setup === null ? [] : [`${network} ${setup.sourceAddress ?? ''}`],
    );
    const own = [...routed, 'host-bare'].map((name) => `${name} own`);
    const translated = expect.stringMatching(/^docker-bridge 198\.18\.\d+\.\d+$/) as string;
    expect([...new Set(sources)].sort()).toEqual([...own, translated].sort());
  } finally {
    rmSync(folder, { recursive: true });
  }
  expect(before.join('\n')).toContain('theirs');
  expect(after).toEqual(before);
});

interface Shown {
  readonly mtu: number;
  readonly operstate: string;
  readonly linkinfo?: { readonly info_kind: string; readonly info_data?: unknown };
  readonly addr_info: readonly { readonly family: string; readonly prefixlen: number }[];
}

test.each([
  ['docker-macvlan', 'macvlan'],
  ['docker-bridge', 'flannel-host-gw'],
  ['flannel-host-gw', 'flannel-host-gw'],
  ['flannel-vxlan', 'flannel-vxlan'],
])('%s with containers of Docker has the devices of %s in bare namespaces', async (docker, bare) => {
  const devices = async (name: string, choice: Parameters<typeof openTestbed>[0]) => {
    await using testbed = await openTestbed(choice, { wire: { mtu: 1500, rateMbps: null } });
    await using active = await setUpNetwork(testbed, findOfferedNetwork(choice, name));
    const { machine } = testbed.server;
    const { netns, link } = active.server;
    const { stdout } = await machine.run(['ip', '-d', '-j', 'addr', 'show', link], { netns });
    const [shown] = JSON.parse(stdout) as Shown[];
    return {
      mtu: shown?.mtu,
      state: shown?.operstate,
      kind: shown?.linkinfo,
      addresses: shown?.addr_info.filter(({ family }) => family === 'inet').map(({ prefixlen }) => prefixlen),
    };
  };
  const ofDocker = await devices(docker, {
    kind: 'netns',
    docker: { imageNode: images.node, imageNginx: images.nginx },
  });
  expect(ofDocker).toEqual(await devices(bare, { kind: 'netns' }));
});

test('a host that drops what it forwards is found before a network is set up', async () => {
  using _kind = registerTestbed(
    usersKind(
      images,
      () => undefined,
      () => undefined,
    ),
  );
  const choice = { kind: 'docker-hosts', options: {} };
  await using testbed = await openTestbed(choice, { wire: { mtu: 1500, rateMbps: null } });
  const statuses = async (docker: boolean) => {
    const names = ['host', 'macvlan', 'host-gw-ptp', 'flannel-vxlan'];
    const images = { imageNode: 'node', imageNginx: 'nginx' };
    const networks = names.map((name) =>
      findOfferedNetwork({ ...choice, ...(docker && { docker: images }) }, name),
    );
    return (await probeNetworks(testbed, networks)).map(({ support, finding }) => finding?.code ?? support);
  };
  expect(await statuses(false)).toEqual(['yes', 'yes', 'forward-dropped', 'forward-dropped']);
  // With containers of Docker a step adds a rule.
  expect(await statuses(true)).toEqual(['yes', 'yes', 'yes', 'yes']);
  const [effects] = await findDockerEffects(testbed);
  // Where the kernel has br_netfilter, bridged packets are filtered too.
  expect(effects).toMatchObject({ hosts: ['the client', 'the server'] });
  expect(effects).toHaveProperty('effects.0', 'forward-dropped');
});
