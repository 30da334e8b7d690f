import { execFileSync } from 'node:child_process';
import { resolve } from 'node:path';
import { localMac } from '../../../src/network/index.js';
import { removeNetns } from '../../machine/test-host.js';
import { TestGuest } from '../../service/guest/test-guest.js';

const BAREWIRE = resolve(import.meta.dirname, '../../../bin/barewire');
const CPUS = 4;
const QUEUES = 2;
/** Of the NIC under test, and of its peer. */
export const ADDRESS = '10.98.0.1';
const PEER = '10.98.0.2';
/** The NIC under test, and one in the namespace `peer`. A bridge of the machine connects them. */
const NICS = ['eth0', 'eth1'] as const;

interface Ran {
  readonly status: number;
  readonly stdout: string;
}

/** What a CPU has done: NET_RX softirqs, the packets that it processed, and how often another CPU woke it for packets (RPS, RFS). */
export interface CpuCounters {
  readonly softirqs: number;
  readonly packets: number;
  readonly wakeUps: number;
}

/** An emulated machine of four CPUs with two NICs of two queues each, whose packets leave the machine between them. */
export class NetworkGuest implements AsyncDisposable {
  readonly guest: TestGuest;
  readonly #netns: string;

  private constructor(guest: TestGuest, netns: string) {
    this.guest = guest;
    this.#netns = netns;
  }

  static async boot(): Promise<NetworkGuest> {
    const netns = `tuning-guest-${process.pid}`;
    const ip = (...args: string[]): string => execFileSync('ip', args, { encoding: 'utf8' });
    ip('netns', 'add', netns);
    try {
      ip('-n', netns, 'link', 'add', 'wire', 'up', 'type', 'bridge');
      for (const nic of NICS) {
        ip('-n', netns, 'tuntap', 'add', 'dev', nic, 'mode', 'tap', 'multi_queue');
        ip('-n', netns, 'link', 'set', nic, 'up', 'master', 'wire');
      }
      const nics = NICS.map((tap) => ({
        tap,
        mac: localMac('tuning', tap, 'guest'),
        mtu: 1_500,
        queues: QUEUES,
      }));
      const guest = await TestGuest.boot({ cpus: CPUS, nics, netns });
      const made = new NetworkGuest(guest, netns);
      await guest.run(
        [
          'set -e',
          'ip netns add peer; ip link set eth1 netns peer; ip -n peer link set lo up',
          `ip addr add ${ADDRESS}/24 dev eth0; ip link set eth0 up; ip route add default via ${PEER}`,
          `ip -n peer addr add ${PEER}/24 dev eth1; ip -n peer link set eth1 up`,
          // The peer's own interrupts and packets stay on the first CPU.
          'peer=$(ip netns exec peer readlink /sys/class/net/eth1/device); peer=${peer##*/}',
          'for name in /proc/irq/*/$peer-*put.*; do echo 0 > ${name%/*}/smp_affinity_list; done',
          `until ping -q -c 1 -W 1 ${PEER} > /dev/null; do :; done`,
        ].join('\n'),
      );
      return made;
    } catch (error) {
      removeNetns(netns);
      throw error;
    }
  }

  /** Runs `barewire tune`. A node in an emulated machine takes seconds to start. */
  async tune(...args: readonly string[]): Promise<Ran> {
    const output = await this.guest.run(
      `node ${BAREWIRE} tune ${args.join(' ')} 2>&1 < /dev/null; echo "status $?"`,
    );
    const { stdout = '', status } = /^(?<stdout>[^]*)status (?<status>\d+)\n$/.exec(output)?.groups ?? {};
    return { stdout, status: Number(status) };
  }

  /** By CPU. */
  async cpuCounters(): Promise<readonly CpuCounters[]> {
    const output = await this.guest.run('grep NET_RX /proc/softirqs; cat /proc/net/softnet_stat');
    const [softirqs = '', ...rows] = output.trim().split('\n');
    return rows.map((row, cpu) => {
      const columns = row.trim().split(/\s+/);
      const column = (at: number): number => Number.parseInt(columns[at] ?? '0', 16);
      return {
        softirqs: Number(softirqs.trim().split(/\s+/)[cpu + 1]),
        packets: column(0),
        wakeUps: column(9),
      };
    });
  }

  /** The interrupts of a receive queue of eth0, by CPU. */
  async interrupts(queue: number): Promise<readonly number[]> {
    const line = await this.guest.run(
      `own=$(readlink /sys/class/net/eth0/device); grep "\${own##*/}-input.${queue}$" /proc/interrupts`,
    );
    return line
      .trim()
      .split(/\s+/)
      .slice(1, CPUS + 1)
      .map(Number);
  }

  /** The packets that each send queue of eth0 has sent. */
  async sent(): Promise<readonly number[]> {
    const output = await this.guest.run('ethtool -S eth0');
    return [...output.matchAll(/tx_queue_\d+_packets: (\d+)/g)].map(([, packets]) => Number(packets));
  }

  /** Sends pings from a CPU to the peer, and waits for each answer. */
  async ping(cpu: number, count: number): Promise<void> {
    await this.guest.run(`taskset -c ${cpu} ping -q -f -c ${count} ${PEER}`);
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.guest[Symbol.asyncDispose]();
    removeNetns(this.#netns);
  }
}

/** What changed between two samples, by position. */
export const changes = (before: readonly number[], after: readonly number[]): number[] =>
  after.map((value, at) => value - (before[at] ?? 0));
