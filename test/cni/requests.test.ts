import { execFileSync } from 'node:child_process';
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterAll, afterEach, beforeAll, expect, test, vi } from 'vitest';
import { endRuns } from '../cli/barewire.js';
import { assertNothingLeft, snapshotMachine, type MachineSnapshot } from '../leaks.js';
import { ETCD_START_MS } from '../service/etcd-programs.js';
import { NodeLab, type LabNode } from '../service/node-lab.js';
import { until } from '../service/until.js';
import { add, addressOf, call, CONFIG } from './call-plugin.js';

vi.setConfig({ testTimeout: 60_000, hookTimeout: ETCD_START_MS });

const MAC = '02:11:22:33:44:55';
const sh = (line: string): string => execFileSync('sh', ['-c', line], { encoding: 'utf8' });

let lab: NodeLab;
let before: MachineSnapshot;
let container: string;
beforeAll(async () => {
  before = await snapshotMachine();
  lab = await NodeLab.start(1, { Network: '10.50.0.0/16', Backend: { Type: 'host-gw' } });
  container = `${lab.name}-c`;
  sh(`ip netns add ${container}`);
});
afterEach(async () => {
  await call(lab.node(1), 'DEL', container);
  await lab.node(1).end();
  await lab.node(1).leave();
  await endRuns();
});
afterAll(async () => {
  await lab[Symbol.asyncDispose]();
  await assertNothingLeft(before);
});

async function startNode(attachment: string): Promise<LabNode> {
  const node = lab.node(1);
  await node.start('--attachment', attachment);
  const folders = ['--bin-dir', join(node.folder, 'bin'), '--conf-dir', join(node.folder, 'net.d')];
  const { status, stderr } = await node.barewire('node', 'install', ...folders, '--cni', node.cni);
  expect(status, stderr).toBe(0);
  return node;
}

const refusal = async (node: LabNode, config: object): Promise<unknown> => {
  const { status, stdout } = await call(node, 'ADD', container, { config: { ...CONFIG, ...config } });
  return [status, (JSON.parse(stdout) as { code: number }).code];
};

test.each(['bridge', 'ptp', 'macvlan'])(
  'an address and a MAC are assigned as requested by %s',
  async (attachment) => {
    const node = await startNode(attachment);
    const address = node.subnet().replace('.0/24', '.90');
    const config = { ...CONFIG, runtimeConfig: { ips: [`${address}/24`], mac: MAC } };
    expect(addressOf(await add(node, container, { config }))).toBe(address);
    const inside = sh(`ip -n ${container} addr show eth0`);
    expect(inside).toContain(`inet ${address}/`);
    expect(inside).toContain(MAC);
  },
);

test('what cannot be assigned is refused', async () => {
  const node = await startNode('bridge');
  const [one, two] = [90, 91].map((last) => node.subnet().replace('.0/24', `.${last}`));
  expect(await refusal(node, { runtimeConfig: { ips: [one, two] } })).toEqual([1, 7]);
  expect(await refusal(node, { runtimeConfig: { ips: ['fd00::5'] } })).toEqual([1, 7]);
  expect(await refusal(node, { runtimeConfig: { mac: 'none' } })).toEqual([1, 7]);
});

test('a namespace whose mount the agent does not see is refused with what it must see', async () => {
  const node = await startNode('bridge');
  // What is below a mount that another mount namespace has: an empty file.
  const hidden = join(node.folder, 'hidden');
  writeFileSync(hidden, '');
  for (const CNI_NETNS of [hidden, '/proc/self/ns/mnt']) {
    const { status, stdout } = await call(node, 'ADD', container, { env: { CNI_NETNS } });
    expect([status, JSON.parse(stdout)]).toEqual([
      1,
      expect.objectContaining({
        code: 4,
        msg: `CNI_NETNS "${CNI_NETNS}" is not a network namespace where the agent looks (setns: EINVAL)`,
        details: expect.stringContaining('mountPropagation HostToContainer') as string,
      }),
    ]);
    expect(await call(node, 'DEL', container, { env: { CNI_NETNS } })).toEqual({ status: 0, stdout: '' });
  }
});

test('IPvlan refuses a MAC: its links have that of the interface', async () => {
  const node = await startNode('ipvlan-l2');
  expect(await refusal(node, { runtimeConfig: { mac: MAC } })).toEqual([1, 2]);
});

test.each([true, false])(
  'a container reaches itself by an address that leads to it: hairpinMode %s',
  async (hairpinMode) => {
    const node = await startNode('bridge');
    const address = addressOf(await add(node, container, { config: { ...CONFIG, hairpinMode } }));
    const service = '10.99.0.77';
    const rules = (verb: string): void => {
      node.sh(`iptables -t nat ${verb} PREROUTING -d ${service} -j DNAT --to-destination ${address}`);
      node.sh(`iptables -t nat ${verb} POSTROUTING -s ${address} -d ${address} -j MASQUERADE`);
    };
    const ping = (to: string): boolean => {
      try {
        sh(`ip netns exec ${container} ping -q -c 1 -W 1 ${to}`);
        return true;
      } catch {
        return false;
      }
    };
    rules('-A');
    try {
      await until('the container reaches its host', () => ping(node.address));
      expect(ping(service)).toBe(hairpinMode);
    } finally {
      rules('-D');
    }
  },
);
