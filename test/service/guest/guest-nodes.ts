import { resolve } from 'node:path';
import { buildFlanneld } from '../../kubernetes/cluster/binaries.js';
import { findEtcd } from '../etcd-programs.js';
import { until } from '../until.js';
import { TestGuest } from './test-guest.js';

const BAREWIRE = resolve(import.meta.dirname, '../../../bin/barewire');
const HUB = '10.99.0.254';
const ENDPOINTS = `http://${HUB}:2379`;
const PREFIX = '/coreos.com/network';
/** An emulated node starts in eight seconds. */
const PATIENCE_MS = 60_000;

/** Hosts on one segment inside a guest, each a namespace, and etcd beside them. */
export class GuestNodes implements AsyncDisposable {
  readonly guest: TestGuest;
  readonly #flanneld: string;
  readonly #etcdctl: string;

  private constructor(guest: TestGuest, flanneld: string, etcdctl: string) {
    this.guest = guest;
    this.#flanneld = flanneld;
    this.#etcdctl = etcdctl;
  }

  static async start(numbers: readonly number[]): Promise<GuestNodes> {
    const [programs] = await findEtcd();
    if (programs === undefined) throw new Error('there is no etcd');
    const flanneld = await buildFlanneld();
    const guest = await TestGuest.boot();
    const nodes = new GuestNodes(guest, flanneld, programs.etcdctl);
    try {
      await guest.run(
        [
          'set -e',
          // flanneld requires it.
          'modprobe br_netfilter; echo 0 > /proc/sys/net/bridge/bridge-nf-call-iptables',
          'ip netns add hub; ip -n hub link set lo up; ip -n hub link add br0 up type bridge',
          `ip -n hub addr add ${HUB}/24 dev br0`,
          ...numbers.flatMap((n) => [
            `ip netns add n${n}; ip -n n${n} link set lo up; mkdir -p /run/n${n}`,
            `ip -n hub link add v${n} up master br0 type veth peer name eth0 netns n${n}`,
            `ip netns exec n${n} sysctl -qw net.ipv6.conf.all.accept_dad=0`,
            `ip -n n${n} addr add 10.99.0.${n}/24 dev eth0; ip -n n${n} link set eth0 up`,
            `ip -n n${n} addr add fd99::${n}/64 dev eth0 nodad; ip -n n${n} route add default via ${HUB}`,
          ]),
          `ip netns exec hub ${programs.etcd} --data-dir /run/etcd --listen-client-urls ${ENDPOINTS} ` +
            `--advertise-client-urls ${ENDPOINTS} > /run/etcd.log 2>&1 &`,
        ].join('\n'),
      );
      await until('etcd serves', () => nodes.etcdctl('endpoint health').then(() => true), PATIENCE_MS);
      return nodes;
    } catch (error) {
      await guest[Symbol.asyncDispose]();
      throw error;
    }
  }

  etcdctl(line: string): Promise<string> {
    return this.guest.run(
      `ETCDCTL_API=3 ip netns exec hub ${this.#etcdctl} --endpoints ${ENDPOINTS} ${line} 2> /dev/null`,
    );
  }

  async configure(config: object): Promise<void> {
    await this.etcdctl(`put ${PREFIX}/config '${JSON.stringify(config)}'`);
  }

  /** Public address → value of its lease. */
  async leases(): Promise<ReadonlyMap<string, Readonly<Record<string, unknown>>>> {
    const lines = (await this.etcdctl(`get --prefix ${PREFIX}/subnets/ --print-value-only`)).split('\n');
    const values = lines.filter(Boolean).map((line) => JSON.parse(line) as Record<string, unknown>);
    return new Map(values.map((value) => [String(value['PublicIP']), value]));
  }

  /** Runs a line in a node's namespace. */
  on(node: number, line: string): Promise<string> {
    return this.guest.run(`ip netns exec n${node} ${line}`);
  }

  #barewire(node: number, ...args: string[]): string {
    const own = [`--state /run/n${node}/state`, `--socket /run/n${node}/socket`];
    return (
      `ip netns exec n${node} env WIREGUARD_KEY_FILE=/run/n${node}/wgkey ` +
      `node ${BAREWIRE} node ${[...args, ...own].join(' ')}`
    );
  }

  agentLine(node: number): string {
    const own = [`--subnet-file /run/n${node}/subnet.env`, `--cni /run/n${node}/cni`];
    return this.#barewire(node, `--etcd-endpoints ${ENDPOINTS}`, ...own);
  }

  /** Starts `barewire node` on each, and waits until they have joined. */
  async startAgents(numbers: readonly number[]): Promise<void> {
    for (const n of numbers)
      await this.guest.run(
        `: > /run/n${n}/log; setsid ${this.agentLine(n)} > /run/n${n}/log 2>&1 & echo $! > /run/n${n}/pid`,
      );
    await until(
      'the agents have joined',
      async () => {
        for (const n of numbers) {
          const log = await this.log(n);
          if (!log.includes('"kind":"ready"')) throw new Error(log);
        }
        return true;
      },
      PATIENCE_MS,
    );
  }

  async killAgent(node: number): Promise<void> {
    await this.guest
      .run(`kill -9 $(cat /run/n${node}/pid); while kill -0 $(cat /run/n${node}/pid); do :; done`)
      .catch(() => '');
  }

  log(node: number): Promise<string> {
    return this.guest.run(`cat /run/n${node}/log`);
  }

  leave(node: number): Promise<string> {
    return this.guest.run(this.#barewire(node, 'leave', `--etcd-endpoints ${ENDPOINTS}`));
  }

  /** Starts flanneld anew, and waits until it has joined. */
  async startStock(node: number): Promise<void> {
    await this.guest.run(
      `if [ -e /run/n${node}/stock ]; then kill -9 $(cat /run/n${node}/stock); fi; rm -f /run/n${node}/subnet.env\n` +
        `WIREGUARD_KEY_FILE=/run/n${node}/wgkey ip netns exec n${node} ${this.#flanneld} -etcd-endpoints ${ENDPOINTS} ` +
        `-iface eth0 -subnet-file /run/n${node}/subnet.env > /run/n${node}/stock.log 2>&1 & echo $! > /run/n${node}/stock`,
    );
    await until(
      'flanneld has joined',
      () =>
        this.guest
          .run(`test -s /run/n${node}/subnet.env || { tail -n 20 /run/n${node}/stock.log; exit 1; }`)
          .then(() => true),
      PATIENCE_MS,
    );
  }

  /** Gives each node the first address of its subnets, as a container would have. Replaces those of other subnets. */
  async addAddresses(numbers: readonly number[]): Promise<void> {
    for (const n of numbers)
      await this.guest.run(
        `. /run/n${n}/subnet.env; ip -n n${n} addr flush dev lo scope global\n` +
          `ip -n n${n} addr add \${FLANNEL_SUBNET%/*}/32 dev lo\n` +
          `if [ "$FLANNEL_IPV6_SUBNET" ]; then ip -n n${n} addr add \${FLANNEL_IPV6_SUBNET%/*}/128 dev lo; fi`,
      );
  }

  /** The pairs of nodes between whose subnets no ping passes: `1-2 FLANNEL_SUBNET`. */
  async lost(numbers: readonly number[], variables = ['FLANNEL_SUBNET']): Promise<string[]> {
    const pairs = numbers.flatMap((one) =>
      numbers.filter((other) => other !== one).map((other) => [one, other] as const),
    );
    const lines = pairs.flatMap(([from, to]) =>
      variables.map(
        (variable) =>
          `(. /run/n${from}/subnet.env; from=\${${variable}%/*}; . /run/n${to}/subnet.env; to=\${${variable}%/*}\n` +
          `ip netns exec n${from} ping -q -c 1 -W 3 -I $from $to > /dev/null 2>&1 || echo ${from}-${to} ${variable}) &`,
      ),
    );
    return (await this.guest.run([...lines, 'wait'].join('\n'))).split('\n').filter(Boolean);
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.guest[Symbol.asyncDispose]();
  }
}
