import { execFileSync, spawn, type ChildProcess } from 'node:child_process';
import { randomBytes } from 'node:crypto';
import { once } from 'node:events';
import { mkdtempSync, readFileSync, rmSync, statSync } from 'node:fs';
import { connect, createServer, type Server } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { inNetns } from '../../src/linux/index.js';
import { parseSubnetEnv, printSubnetEnv } from '../../src/service/index.js';
import { buildFlanneld } from '../kubernetes/cluster/binaries.js';
import { ETCD_START_MS, findEtcd } from './etcd-programs.js';
import { Etcd } from './etcd-server.js';
import { hostGw, NET, never, TestNode } from './nodes.js';
import { until } from './until.js';

const versions = await findEtcd();
const isRoot = process.getuid?.() === 0;
// What can build etcd can build flanneld.
const canBuild = versions.some(({ version }) => version === '3.6');
if (!isRoot || !canBuild) console.error('Skipped: stock flanneld needs root and Go');

const STOCK = '10.99.0.1';
const OURS = '10.99.0.2';

describe.skipIf(!isRoot || !canBuild).each(versions)('stock flanneld on etcd $version', (programs) => {
  const netns = `bwt-${randomBytes(3).toString('hex')}`;
  const folder = mkdtempSync(join(tmpdir(), 'barewire-flanneld-'));
  const subnetFile = join(folder, 'subnet.env');
  let flanneld: string;
  let etcd: Etcd;
  let relay: Server;
  let stock: ChildProcess | null = null;
  let log = '';
  const ip = (...args: string[]): string => execFileSync('ip', args, { encoding: 'utf8' });
  const routed = (what: string, pattern: RegExp): Promise<void> =>
    until(`flanneld ${what}`, () => {
      const routes = ip('-n', netns, 'route');
      if (pattern.test(routes)) return true;
      throw new Error(`${routes}\n${log}`);
    });

  beforeAll(async () => {
    flanneld = await buildFlanneld();
    etcd = await Etcd.start({ programs });
    ip('netns', 'add', netns);
    for (const line of [
      'link set lo up',
      'link add eth0 type veth peer name eth0-peer',
      `addr add ${STOCK}/24 dev eth0`,
      'link set eth0 up',
      'link set eth0-peer up',
    ])
      ip('-n', netns, ...line.split(' '));
    // flanneld reaches etcd from its namespace by a port there.
    relay = createServer((socket) => {
      const { hostname, port } = new URL(etcd.endpoints[0] ?? '');
      const upstream = connect(Number(port), hostname);
      for (const each of [socket, upstream])
        each.on('error', () => undefined).on('close', () => (socket.destroy(), upstream.destroy()));
      socket.pipe(upstream).pipe(socket);
    });
    inNetns(netns, () => relay.listen(2379));
    await etcd.put(`${NET}/config`, '{"Network":"10.50.0.0/16","Backend":{"Type":"host-gw"}}');
  }, ETCD_START_MS);
  afterAll(async () => {
    await stop();
    relay.close();
    await etcd[Symbol.asyncDispose]();
    ip('netns', 'del', netns);
    rmSync(folder, { recursive: true });
  });

  const start = async (): Promise<void> => {
    rmSync(subnetFile, { force: true });
    const args = ['-etcd-endpoints', 'http://127.0.0.1:2379', '-iface', 'eth0', '-subnet-file', subnetFile];
    stock = spawn('ip', ['netns', 'exec', netns, 'setpriv', '--pdeathsig', 'KILL', flanneld, ...args], {
      stdio: ['ignore', 'ignore', 'pipe'],
    });
    log = '';
    stock.stderr?.on('data', (chunk) => (log += String(chunk)));
    await until('flanneld has written its subnet.env', () => {
      if (stock?.exitCode !== null) throw new Error(log);
      return statSync(subnetFile, { throwIfNoEntry: false }) !== undefined;
    });
  };
  const stop = async (): Promise<void> => {
    if (stock?.exitCode !== null || stock.signalCode !== null) return;
    const ended = once(stock, 'exit');
    stock.kill('SIGKILL');
    await ended;
  };

  test('routes to our lease, follows its address, and leaves our key alone; ours reads its lease and its subnet.env', async () => {
    await using node = new TestNode({ endpoints: etcd.endpoints });
    const { subnet } = await node.leases.acquire(
      hostGw(OURS, { rest: { Barewire: { attachment: 'ipvlan' } } }),
      null,
      never,
    );
    await start();
    const env = parseSubnetEnv(readFileSync(subnetFile, 'utf8'));
    expect(env && printSubnetEnv(env)).toBe(readFileSync(subnetFile, 'utf8'));
    expect(env?.subnet).not.toBe(subnet);
    await until('both leases are seen', () => Object.keys(node.peers).length === 2);
    expect(node.peers).toEqual({ [subnet]: OURS, [env?.subnet ?? '']: STOCK });
    expect(node.snapshot?.ignored).toEqual([]);
    const via = (address: string): RegExp => new RegExp(`^${subnet} via ${address} dev eth0`, 'm');
    const none = new RegExp(`^(?![^]*${subnet})`);
    await routed('routes to us', via(OURS));

    await node.leases.update(hostGw('10.99.0.3'), never);
    await routed('follows', via('10.99.0.3'));
    // Stock nodes ignore another type: without the deletion in between, the route would stay.
    await node.leases.update({ ...hostGw('10.99.0.3'), backendType: 'vxlan' }, never);
    await routed('has dropped the route', none);
    await node.leases.update(hostGw(OURS), never);
    await routed('routes to us again', via(OURS));

    await stop();
    await start();
    expect(parseSubnetEnv(readFileSync(subnetFile, 'utf8'))).toEqual(env);
    expect(node.kinds).toEqual(['acquired']);
    // A lease that vanishes before flanneld has read it leaves its route behind.
    await until('flanneld has read our lease', () => log.includes(`Subnet added: ${subnet} via ${OURS}`));
    await node.leases.release(never);
    await routed('has dropped the route', none);

    // Migration: ours on the node of flanneld, which is gone.
    await stop();
    await using migrated = new TestNode({ endpoints: etcd.endpoints });
    expect((await migrated.leases.acquire(hostGw(STOCK), null, never)).subnet).toBe(env?.subnet);
    // flanneld has left one etcd lease without a key, of its first start.
    expect((await etcd.leases()).length).toBeLessThanOrEqual(2);
    await migrated.leases.release(never);
    expect((await etcd.read(`${NET}/subnets/`)).size).toBe(0);
  });
});
