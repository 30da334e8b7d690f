import { setTimeout as sleep } from 'node:timers/promises';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import type { Lease } from '../../src/service/index.js';
import { ETCD_START_MS, findEtcd } from './etcd-programs.js';
import { Etcd } from './etcd-server.js';
import { FaultProxy, type Fault } from './fault-proxy.js';
import { hostGw, keyOf, NET, never, resetNetwork, storedLeases, TestNode } from './nodes.js';
import { until } from './until.js';

const [programs] = await findEtcd();
const TTL_S = 1;
/** After an administrator's deletion, a node without a connection holds its subnet until its lease lapses. */
const DELETION_SETTLES_MS = TTL_S * 1000 + 500;
const NODES = 6;
const FAULTS: readonly Fault[] = ['none', 'none', 'delay', 'hang', 'cut', 'duplicate', 'lose-answers'];

/** A machine that agents run on, one after the other. */
interface Machine {
  readonly publicIp: string;
  readonly proxy: FaultProxy;
  agent: TestNode | null;
  /** The subnets of the last agent, as subnet.env keeps them. */
  previous: Pick<Lease, 'subnet' | 'ipv6Subnet'> | null;
  /** Nothing has happened to it or to its key. */
  isUndisturbed: boolean;
}

/** Subnets 1 to 7 of each version of IP, for six machines. */
const ONE_VERSION = '{"Network":"10.50.0.0/21"}';
const BOTH_VERSIONS = '{"Network":"10.50.0.0/21","EnableIPv6":true,"IPv6Network":"fd50::/61"}';

/** As the key of the lease has them. */
const subnetsOf = (own: Lease | null | undefined): readonly string[] =>
  own == null ? [] : [own.subnet, ...(own.ipv6Subnet === null ? [] : [own.ipv6Subnet])];
const nameOf = (own: Lease | null | undefined): string =>
  subnetsOf(own)
    .map((subnet) => subnet.replace('/', '-'))
    .join('&');

/** A source of numbers from 0 to below 1 with a seed (mulberry32). */
function seeded(seed: number): () => number {
  let state = seed;
  return () => {
    state = (state + 0x6d2b79f5) | 0;
    let mixed = Math.imul(state ^ (state >>> 15), 1 | state);
    mixed = (mixed + Math.imul(mixed ^ (mixed >>> 7), 61 | mixed)) ^ mixed;
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 4294967296;
  };
}

describe.skipIf(programs === undefined)('agents that start, stop, are killed and lose etcd', () => {
  let etcd: Etcd;
  beforeAll(async () => {
    etcd = await Etcd.start({ programs: programs! });
  }, ETCD_START_MS);
  afterAll(() => etcd[Symbol.asyncDispose]());

  test.each([
    [1, 'one version of IP', ONE_VERSION],
    [2, 'one version of IP', ONE_VERSION],
    [3, 'one version of IP', ONE_VERSION],
    [4, 'both versions of IP', BOTH_VERSIONS],
    [5, 'both versions of IP', BOTH_VERSIONS],
    [6, 'both versions of IP', BOTH_VERSIONS],
  ])('never share a subnet, and converge (seed %i, %s)', async (seed, _, config) => {
    const random = seeded(seed);
    const pick = <T>(list: readonly T[]): T => list[Math.floor(random() * list.length)]!;
    await resetNetwork(etcd);
    await etcd.put(`${NET}/config`, config);
    const machines = await Promise.all(
      Array.from({ length: NODES }, async (_, index): Promise<Machine> => {
        const proxy = await FaultProxy.start(etcd.endpoints[0] ?? '');
        return { publicIp: `192.0.2.${index + 1}`, proxy, agent: null, previous: null, isUndisturbed: true };
      }),
    );
    const deletedAt = new Map<string, number>();
    const shared: string[] = [];
    const watchdog = setInterval(() => {
      const holders = new Map<string, string>();
      for (const { agent, publicIp } of machines) {
        if (agent?.leases.isConfirmed !== true) continue;
        for (const subnet of subnetsOf(agent.leases.own)) {
          const settled = performance.now() - (deletedAt.get(subnet) ?? -Infinity) > DELETION_SETTLES_MS;
          const other = holders.get(subnet);
          if (other !== undefined && settled) shared.push(`${subnet}: ${other} and ${publicIp}`);
          holders.set(subnet, publicIp);
        }
      }
    }, 2);

    const start = (machine: Machine): void => {
      const agent = new TestNode({
        endpoints: [machine.proxy.endpoint],
        ttlS: TTL_S,
        renewAfterMs: 150,
        idleMs: 250,
        requestTimeoutMs: 250,
      });
      machine.agent = agent;
      const { previous } = machine;
      const acquire = async (): Promise<void> => {
        for (;;) {
          try {
            machine.previous = await agent.leases.acquire(hostGw(machine.publicIp), previous, never);
            return;
          } catch (error) {
            if (machine.agent !== agent) return;
            // Leases of abandoned agents have not ended yet.
            if ((error as { code?: string }).code !== 'no-free-subnet') throw error;
            await sleep(50);
          }
        }
      };
      acquire().catch((error: unknown) => shared.push(String(error)));
    };
    const stop = async (machine: Machine, how: 'release' | 'abandon'): Promise<void> => {
      const { agent } = machine;
      if (agent === null) return;
      machine.previous = agent.leases.own ?? machine.previous;
      machine.agent = null;
      if (how === 'release') await agent.leases.release(AbortSignal.timeout(300)).catch(() => undefined);
      await agent[Symbol.asyncDispose]();
    };

    try {
      machines.forEach(start);
      await until('all have a subnet', () =>
        machines.every(({ agent }) => agent?.leases.isConfirmed === true),
      );
      const first = machines.map(({ agent }) => nameOf(agent?.leases.own));
      for (let step = 0; step < 60; step++) {
        // The first machine is left alone.
        const machine = pick(machines.slice(1));
        const action = pick([
          'fault',
          'fault',
          'release',
          'abandon',
          'start',
          'delete',
          'update',
          'compact',
        ] as const);
        if (action !== 'compact' && action !== 'update') machine.isUndisturbed = false;
        if (action === 'fault') {
          machine.proxy.fault = pick(FAULTS);
          if (machine.proxy.fault === 'cut') machine.proxy.cutAll();
        } else if (action === 'release' || action === 'abandon') await stop(machine, action);
        else if (action === 'start' && machine.agent === null) start(machine);
        else if (action === 'compact') await etcd.compact();
        else if (action === 'update' && machine.agent?.leases.isConfirmed === true)
          machine.agent.leases
            .update(hostGw(machine.publicIp, { backendData: { step } }), never)
            .catch(() => undefined);
        else if (action === 'delete') {
          const own = machine.agent?.leases.own;
          for (const subnet of subnetsOf(own)) deletedAt.set(subnet, performance.now());
          if (own != null) await etcd.delete(keyOf(nameOf(own)));
        }
        await sleep(random() * 60);
      }
      for (const machine of machines) {
        machine.proxy.fault = 'none';
        machine.proxy.cutAll();
        if (machine.agent === null) start(machine);
      }
      await until('each machine has its own subnet, and every watcher sees what is stored', async () => {
        const stored = await storedLeases(etcd);
        const own = Object.fromEntries<string>(
          machines.map(({ agent, publicIp }) => [nameOf(agent?.leases.own), publicIp]),
        );
        expect(stored).toEqual(own);
        const peers = Object.fromEntries(
          Object.entries(stored).map(([name, publicIp]) => [
            name.replace(/&.*/, '').replace('-', '/'),
            publicIp,
          ]),
        );
        for (const { agent } of machines) {
          expect(agent?.leases.isConfirmed).toBe(true);
          expect(agent?.peers).toEqual(peers);
        }
        return true;
      });
      await until(
        'the leases of abandoned agents have ended',
        async () => (await etcd.leases()).length === NODES,
      );
      expect(shared).toEqual([]);
      for (const [index, { agent, isUndisturbed }] of machines.entries()) {
        if (!isUndisturbed) continue;
        expect(nameOf(agent?.leases.own)).toBe(first[index]);
        expect(agent?.kinds.filter((kind) => kind === 'moved' || kind === 'reclaimed')).toEqual([]);
      }
      expect(machines[0]?.isUndisturbed).toBe(true);
    } finally {
      clearInterval(watchdog);
      await Promise.all(machines.map((machine) => stop(machine, 'release')));
      await Promise.all(machines.map(({ proxy }) => proxy[Symbol.asyncDispose]()));
    }
  });
});
