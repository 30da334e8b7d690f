import { readFileSync } from 'node:fs';
import { expect, test, vi } from 'vitest';
import { type LabNode, type NodeLab } from './node-lab.js';
import { until } from './until.js';
import { useNodeLab } from './use-node-lab.js';

vi.setConfig({ testTimeout: 60_000, hookTimeout: 60_000 });

const NETWORK = { Network: '10.50.0.0/16' };

/** Gives a node its interface back with its address, MTU and route. */
function restoreInterface(node: LabNode): void {
  for (const address of [node.address, `10.99.0.10${node.number}`]) node.sh(`ip addr flush to ${address}/32`);
  node.sh(`ip addr add ${node.address}/24 dev eth0`);
  node.sh('ip link set eth0 up mtu 1500');
  node.sh('ip route replace default via 10.99.0.254');
}

let lab: NodeLab;
useNodeLab({ nodes: 2, config: NETWORK, restore: restoreInterface }, (started) => (lab = started));

/** Two nodes that reach each other. */
async function startBoth(type: string): Promise<readonly [LabNode, LabNode]> {
  await lab.configure({ ...NETWORK, Backend: { Type: type } });
  const [one, two] = [lab.node(1), lab.node(2)];
  await Promise.all([one.start(), two.start()]);
  const [from, to] = [one.addAddress(), two.addAddress()];
  await until('traffic passes', () => one.reaches(to, from));
  return [one, two];
}

const leaseOf = async (node: LabNode): Promise<unknown> =>
  (await lab.leases()).get(node.subnet())?.['PublicIP'];

test('the tunnel and the subnet file follow the MTU of the interface', async () => {
  const [one] = await startBoth('vxlan');
  one.sh('ip link set eth0 mtu 1400');
  await until('the tunnel has it', () => one.sh('ip link show flannel.1').includes('mtu 1350'), 3_000);
  await until(
    'the file has it',
    () => readFileSync(one.subnetFile, 'utf8').includes('FLANNEL_MTU=1350'),
    3_000,
  );
  one.sh('ip link set eth0 mtu 1500');
  await until('the file has the old one', () =>
    readFileSync(one.subnetFile, 'utf8').includes('FLANNEL_MTU=1450'),
  );
});

test.each(['vxlan', 'host-gw'])(
  '%s: a node keeps its subnet when its address changes, and traffic passes again',
  async (type) => {
    const [one, two] = await startBoth(type);
    const subnet = one.subnet();
    one.sh('ip addr del 10.99.0.1/24 dev eth0');
    one.sh('ip addr add 10.99.0.101/24 dev eth0');
    await until('the lease has it', async () => (await leaseOf(one)) === '10.99.0.101', 3_000);
    await until('traffic passes', () => two.reaches(one.addAddress(), two.addAddress()), 3_000);
    expect(one.subnet()).toBe(subnet);
    expect((await lab.leases()).size).toBe(2);
    expect((await one.status())['publicIp']).toBe('10.99.0.101');
    expect(one.events().filter(({ kind }) => kind === 'moved' || kind === 'refused')).toEqual([]);
    // It leaves by what it has now.
    expect((await one.leave()).stdout).toContain('the lease deleted');
  },
);

test('a node keeps its subnet when its address changes while the agent is down', async () => {
  const [one, two] = await startBoth('vxlan');
  const subnet = one.subnet();
  await one.stop('SIGKILL');
  one.sh('ip addr del 10.99.0.1/24 dev eth0');
  one.sh('ip addr add 10.99.0.101/24 dev eth0');
  one.sh('ip route replace default via 10.99.0.254');
  await one.start();
  expect([one.subnet(), await leaseOf(one)]).toEqual([subnet, '10.99.0.101']);
  await until('traffic passes', () => two.reaches(one.addAddress(), two.addAddress()), 3_000);
  expect((await lab.leases()).size).toBe(2);
});

test('routes return within a second when the interface is up again', async () => {
  const [one, two] = await startBoth('host-gw');
  const whole = one.routes();
  expect(whole).toHaveLength(1);
  const checks = Number((await one.status())['checks']);
  one.sh('ip link set eth0 down');
  expect(one.routes()).toEqual([]);
  await until('the agent has seen it', async () => Number((await one.status())['checks']) > checks, 3_000);
  one.sh('ip link set eth0 up');
  one.sh('ip route replace default via 10.99.0.254');
  await until('the routes are back', () => one.routes().join() === whole.join(), 1_000);
  await until('traffic passes', () => one.reaches(two.addAddress(), one.addAddress()));
  expect(one.events().filter(({ kind }) => kind === 'refused')).toEqual([]);
  expect((await one.status())['lastErrors']).toEqual([]);
});

test('the agent uses an interface that is deleted and created again', async () => {
  const [one, two] = await startBoth('vxlan');
  one.remake(lab.hub);
  // The node resolves its peer's MAC, and the peer replaces the old one.
  await until('traffic passes', () => one.reaches(two.addAddress(), one.addAddress()), 5_000);
});

test("selects the interface by flanneld's flags: an expression, a destination, the first of several", async () => {
  await lab.configure({ ...NETWORK, Backend: { Type: 'host-gw' } });
  const one = lab.node(1);
  one.sh('ip link add extra0 type bridge');
  one.sh('ip addr add 10.98.0.1/24 dev extra0');
  one.sh('ip link set extra0 up');
  const used = async (...args: string[]): Promise<unknown> => {
    await one.start(...args);
    const { interface: dev, publicIp } = await one.status();
    await one.stop();
    return [dev, publicIp];
  };
  try {
    expect(await used('-iface-regex=^ex')).toEqual(['extra0', '10.98.0.1']);
    expect(await used('-iface-regex', '^10\\.98\\.')).toEqual(['extra0', '10.98.0.1']);
    expect(await used('-iface-can-reach=10.98.0.7')).toEqual(['extra0', '10.98.0.1']);
    expect(await used('-iface=eth7', '-iface=10.98.0.1', '--iface', 'eth0')).toEqual(['extra0', '10.98.0.1']);
    expect(await used('-public-ip=10.99.0.77')).toEqual(['eth0', '10.99.0.77']);
  } finally {
    one.sh('ip link del extra0');
  }
});
