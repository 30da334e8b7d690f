import { existsSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { setTimeout as pause } from 'node:timers/promises';
import { expect, onTestFinished, test, vi } from 'vitest';
import { PREFIX, type LabNode, type NodeLab } from './node-lab.js';
import { until } from './until.js';
import { TWO_SUBNETS, useNodeLab } from './use-node-lab.js';

vi.setConfig({ testTimeout: 60_000, hookTimeout: 60_000 });

let lab: NodeLab;
useNodeLab({ nodes: 2, config: TWO_SUBNETS, members: 3 }, (started) => (lab = started));

/** As etcd does at the end of its lifetime. */
async function endLeaseOf(subnet: string): Promise<void> {
  const found = await lab.etcd.ctl('get', `${PREFIX}/subnets/${subnet.replace('/', '-')}`, '-w', 'json');
  const id = BigInt(/"lease":(\d+)/.exec(found)?.[1] ?? 0);
  await lab.etcd.ctl('lease', 'revoke', id.toString(16));
}

async function leaderOf(): Promise<number> {
  const members = JSON.parse(await lab.etcd.ctl('endpoint', 'status', '-w', 'json')) as readonly {
    readonly Status: { readonly header: { readonly member_id: number }; readonly leader: number };
  }[];
  return members.findIndex(({ Status }) => Status.header.member_id === Status.leader);
}

const kinds = (node: LabNode): unknown[] => node.events().map(({ kind }) => kind);

test('an agent that is suspended for longer than the lifetime of its lease moves when another node has its subnet', async () => {
  const [one, two] = [lab.node(1), lab.node(2)];
  const agent = await one.start();
  const subnet = one.subnet();
  agent.child.kill('SIGSTOP');
  await endLeaseOf(subnet);
  // As a host does that has had this subnet.
  writeFileSync(
    two.subnetFile,
    `FLANNEL_NETWORK=10.50.0.0/16\nFLANNEL_SUBNET=${subnet.replace('0/', '1/')}\nFLANNEL_MTU=1450\nFLANNEL_IPMASQ=true\n`,
  );
  await two.start();
  expect(two.subnet()).toBe(subnet);
  agent.child.kill('SIGCONT');
  await until('it has moved', () => kinds(one).includes('moved'), 5_000);
  await until('its files follow', () => one.subnet() !== subnet, 1_000);
  const owners = new Map([...(await lab.leases())].map(([key, value]) => [key, value['PublicIP']]));
  expect(owners).toEqual(
    new Map([
      [subnet, two.address],
      [one.subnet(), one.address],
    ]),
  );
  expect(two.events().map(({ kind }) => kind)).not.toContain('moved');
  for (const [node, peer] of [
    [one, two],
    [two, one],
  ] as const)
    await until('there is a route to the other', () =>
      node.routes().some((line) => line.startsWith(peer.subnet())),
    );
  expect(one.sh('ip -o addr show dev flannel.1')).toContain(` ${one.subnet().replace('/24', '/32')} `);
  await until('traffic passes', () => one.reaches(two.addAddress(), one.addAddress()));
});

test('jumps of the clock by more than the lifetime of a lease change nothing', async () => {
  const [one, two] = [lab.node(1), lab.node(2)];
  const clock = join(one.folder, 'clock');
  const setClock = (offset: string): void => writeFileSync(clock, `${offset}\n`);
  setClock('+0h');
  const library = readdirSync('/usr/lib')
    .map((folder) => `/usr/lib/${folder}/faketime/libfaketimeMT.so.1`)
    .find(existsSync);
  if (library === undefined) throw new Error('libfaketime is not installed');
  const agent = one.spawnAgentUnder([
    'env',
    `LD_PRELOAD=${library}`,
    `FAKETIME_TIMESTAMP_FILE=${clock}`,
    'FAKETIME_NO_CACHE=1',
    // Only CLOCK_REALTIME jumps.
    'FAKETIME_DONT_FAKE_MONOTONIC=1',
  ]);
  // libfaketime leaves these when its program is killed.
  onTestFinished(() => {
    for (const name of ['faketime_shm', 'sem.faketime_sem'])
      rmSync(`/dev/shm/${name}_${agent.child.pid}`, { force: true });
  });
  await agent.untilSaid(/"kind":"ready"/);
  await two.start();
  await until('there is a route', () => one.routes().length === 1);
  const key = `${PREFIX}/subnets/${one.subnet().replace('/', '-')}`;
  // Not the member that answers.
  const readKey = async (): Promise<string[] | null> =>
    (await lab.etcd.ctl('get', key, '-w', 'fields')).match(/^"(?:Lease|Value|ModRevision)".*/gm);
  const keyBefore = await readKey();
  expect(keyBefore).toHaveLength(3);
  const whole = one.routes();
  for (const offset of ['+30h', '-30h', '+0h']) {
    setClock(offset);
    const cpuMs = cpuMsOf(agent.child.pid);
    const seen = one.events().length;
    // Timers that fire early or never would show by now.
    await pause(1_500);
    expect(cpuMsOf(agent.child.pid) - cpuMs).toBeLessThan(600);
    one.sh(`ip route del ${two.subnet()}`);
    await until(`repairs at ${offset}`, () => one.routes().join() === whole.join(), 1_000);
    await until('it is logged with the time of that clock', () => {
      const [repair] = one.events().slice(seen);
      return Math.round((Date.parse(String(repair?.['time'])) - Date.now()) / 3_600_000) === parseInt(offset);
    });
  }
  expect((await one.status())['leaseConfirmed']).toBe(true);
  expect(await readKey()).toEqual(keyBefore);
  expect(kinds(one).filter((kind) => kind !== 'acquired' && kind !== 'ready' && kind !== 'repaired')).toEqual(
    [],
  );
});

test('nodes keep their subnets and see a new node when the leader of three etcd members is killed', async () => {
  const [one, two] = [lab.node(1), lab.node(2)];
  await one.start();
  const subnet = one.subnet();
  const leader = await leaderOf();
  await lab.etcd.killMember(leader);
  try {
    await two.start();
    await until('both have a route', () => one.routes().length === 1 && two.routes().length === 1);
    expect(one.subnet()).toBe(subnet);
    expect((await one.status())['leaseConfirmed']).toBe(true);
    expect(kinds(one)).not.toContain('moved');
    await until('traffic passes', () => one.reaches(two.addAddress(), one.addAddress()));
  } finally {
    await lab.etcd.startMember(leader);
  }
});

function cpuMsOf(pid = 0): number {
  const fields = readFileSync(`/proc/${pid}/stat`, 'latin1')
    .replace(/^.*\) /, '')
    .split(' ');
  return 10 * (Number(fields[11]) + Number(fields[12]));
}
