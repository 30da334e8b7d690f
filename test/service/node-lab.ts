import { execFile, execFileSync, spawn, type ChildProcess } from 'node:child_process';
import { once } from 'node:events';
import { closeSync, mkdirSync, mkdtempSync, openSync, readFileSync, rmSync } from 'node:fs';
import { randomBytes } from 'node:crypto';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { barewire, Run, type Ended } from '../cli/barewire.js';
import { buildFlanneld } from '../kubernetes/cluster/binaries.js';
import { findEtcd } from './etcd-programs.js';
import { Etcd } from './etcd-server.js';
import { until } from './until.js';

const run = promisify(execFile);
const sh = (line: string): string =>
  execFileSync('sh', ['-c', line], { encoding: 'utf8', stdio: ['ignore', 'pipe', 'pipe'] });

const HUB = '10.99.0.254';
export const PREFIX = '/coreos.com/network';

/** Hosts on one segment, each a namespace, and etcd beside them. They run the real flanneld or `barewire node`. */
export class NodeLab implements AsyncDisposable {
  readonly name = `nl${randomBytes(2).toString('hex')}`;
  readonly folder = mkdtempSync(join(tmpdir(), 'barewire-nodes-'));
  readonly nodes: readonly LabNode[];
  #etcd: Etcd | null = null;

  private constructor(count: number) {
    this.nodes = Array.from({ length: count }, (_, at) => new LabNode(this, at + 1));
  }

  /**
   * @param config flannel's
   * @param members of etcd
   */
  static async start(count: number, config: object, members = 1): Promise<NodeLab> {
    const [programs] = await findEtcd();
    if (programs === undefined) throw new Error('there is no etcd');
    // Here and not in the first test that starts it: compiling it takes longer than a test may. What can build etcd can build it.
    if (programs.version === '3.6') await buildFlanneld();
    const lab = new NodeLab(count);
    try {
      const hub = lab.hub;
      sh(`ip netns add ${hub} && ip -n ${hub} link set lo up && ip -n ${hub} link add br0 up type bridge`);
      sh(`ip -n ${hub} addr add ${HUB}/24 dev br0`);
      for (const node of lab.nodes) node.create(hub);
      lab.#etcd = await Etcd.start({ programs, members, place: { netns: hub, address: HUB } });
      await lab.configure(config);
      return lab;
    } catch (error) {
      await lab[Symbol.asyncDispose]();
      throw error;
    }
  }

  get hub(): string {
    return `${this.name}-hub`;
  }

  get etcd(): Etcd {
    if (this.#etcd === null) throw new Error('etcd is not started');
    return this.#etcd;
  }

  node(number: number): LabNode {
    const node = this.nodes[number - 1];
    if (node === undefined) throw new RangeError(`there is no node ${number}`);
    return node;
  }

  async configure(config: object): Promise<void> {
    await this.etcd.ctl('put', `${PREFIX}/config`, JSON.stringify(config));
  }

  /** The subnets in etcd, as `10.50.1.0/24` → value. */
  async leases(): Promise<ReadonlyMap<string, Readonly<Record<string, unknown>>>> {
    const lines = (await this.etcd.ctl('get', '--prefix', `${PREFIX}/subnets/`)).split('\n').filter(Boolean);
    return new Map(
      lines.flatMap((line, at) =>
        at % 2 === 0
          ? [
              [
                line.slice(`${PREFIX}/subnets/`.length).replace(/-(\d+)$/, '/$1'),
                JSON.parse(lines[at + 1] ?? '') as Readonly<Record<string, unknown>>,
              ] as const,
            ]
          : [],
      ),
    );
  }

  async [Symbol.asyncDispose](): Promise<void> {
    for (const node of this.nodes) await node.end();
    await this.#etcd?.[Symbol.asyncDispose]();
    for (const name of sh('ip netns').match(new RegExp(`^${this.name}\\S*`, 'gm')) ?? [])
      sh(`ip netns del ${name}`);
    rmSync(this.folder, { recursive: true, force: true });
  }
}

export class LabNode {
  readonly #lab: NodeLab;
  readonly number: number;
  #agent: Run | null = null;
  #stock: ChildProcess | null = null;

  constructor(lab: NodeLab, number: number) {
    this.#lab = lab;
    this.number = number;
  }

  get netns(): string {
    return `${this.#lab.name}-n${this.number}`;
  }

  get address(): string {
    return `10.99.0.${this.number}`;
  }

  get address6(): string {
    return `fd99::${this.number}`;
  }

  get folder(): string {
    return join(this.#lab.folder, `n${this.number}`);
  }

  create(hub: string): void {
    mkdirSync(this.folder);
    const { netns } = this;
    sh(`ip netns add ${netns} && ip -n ${netns} link set lo up`);
    this.#addInterface(hub);
    // As on a host whose neighbours are known: a first packet does not wait for them.
    sh(`ip netns exec ${netns} sysctl -qw net.ipv6.conf.all.accept_dad=0`);
  }

  #addInterface(hub: string): void {
    const { netns, number } = this;
    sh(`ip -n ${hub} link add v${number} up master br0 type veth peer name eth0 netns ${netns}`);
    sh(`ip -n ${netns} addr add ${this.address}/24 dev eth0 && ip -n ${netns} link set eth0 up`);
    sh(`ip -n ${netns} route add default via ${HUB}`);
    sh(`ip -n ${netns} addr add ${this.address6}/64 dev eth0 nodad`);
  }

  /** Takes the interface away, and gives the node another of its name. */
  remake(hub: string): void {
    this.sh('ip link del eth0');
    this.#addInterface(hub);
  }

  /** Runs a line in the node's namespace. */
  sh(line: string): string {
    return sh(`ip netns exec ${this.netns} ${line}`);
  }

  get #own(): string[] {
    return ['--state', join(this.folder, 'state'), '--socket', join(this.folder, 'socket')];
  }

  get cni(): string {
    return join(this.folder, 'cni');
  }

  get #etcd(): string[] {
    return ['--etcd-endpoints', this.#lab.etcd.endpoints.join()];
  }

  /** Starts `barewire node`, and waits until it has joined. */
  async start(...args: string[]): Promise<Run> {
    const agent = this.spawnAgent(...args);
    await agent.untilSaid(/"kind":"ready"/);
    return agent;
  }

  spawnAgent(...args: string[]): Run {
    return this.spawnAgentUnder([], ...args);
  }

  /** @param program runs the agent: what is appended to it */
  spawnAgentUnder(program: readonly string[], ...args: string[]): Run {
    const options = [
      ...this.#etcd,
      '--ip-masq',
      '--subnet-file',
      this.subnetFile,
      '--cni',
      this.cni,
      ...this.#own,
    ];
    const prefix = ['ip', 'netns', 'exec', this.netns, ...program];
    return (this.#agent = new Run(['node', ...options, ...args], prefix));
  }

  get subnetFile(): string {
    return join(this.folder, 'subnet.env');
  }

  /** The lines of an agent's log. */
  events(): readonly Readonly<Record<string, unknown>>[] {
    return (this.#agent?.stderr ?? '')
      .split('\n')
      .filter((line) => line.startsWith('{'))
      .map((line) => JSON.parse(line) as Readonly<Record<string, unknown>>);
  }

  async stop(signal: NodeJS.Signals = 'SIGTERM'): Promise<Ended | null> {
    const agent = this.#agent;
    if (agent === null) return null;
    agent.child.kill(signal);
    this.#agent = null;
    return await agent.ended;
  }

  barewire(...args: string[]): Promise<Ended> {
    return barewire(args, ['ip', 'netns', 'exec', this.netns]);
  }

  leave(): Promise<Ended> {
    return this.leaveUnder([]);
  }

  leaveUnder(program: readonly string[]): Promise<Ended> {
    const prefix = ['ip', 'netns', 'exec', this.netns, ...program];
    return barewire(['node', 'leave', ...this.#etcd, ...this.#own], prefix);
  }

  async status(): Promise<Readonly<Record<string, unknown>>> {
    const { stdout, stderr } = await this.barewire(
      'node',
      'status',
      '--json',
      '--socket',
      join(this.folder, 'socket'),
    );
    if (stdout === '') throw new Error(stderr);
    return JSON.parse(stdout) as Readonly<Record<string, unknown>>;
  }

  /** Starts the real flanneld, and waits until it has joined. */
  async startStock(): Promise<void> {
    rmSync(this.subnetFile, { force: true });
    await this.spawnStock();
    await until('flanneld has written its subnet file', () => readFileSync(this.subnetFile, 'utf8') !== '');
  }

  async spawnStock(): Promise<ChildProcess> {
    const flanneld = await buildFlanneld();
    const log = openSync(join(this.folder, 'flanneld.log'), 'w');
    const argv = ['netns', 'exec', this.netns, 'setpriv', '--pdeathsig', 'KILL', flanneld];
    const options = ['-etcd-endpoints', this.#lab.etcd.endpoints.join(), '-iface', 'eth0', '-ip-masq'];
    this.#stock = spawn('ip', [...argv, ...options, '-subnet-file', this.subnetFile], {
      stdio: ['ignore', log, log],
    });
    closeSync(log);
    return this.#stock;
  }

  async stopStock(): Promise<void> {
    const stock = this.#stock;
    this.#stock = null;
    if (stock?.exitCode !== null || stock.signalCode !== null) return;
    const ended = once(stock, 'exit');
    stock.kill('SIGKILL');
    await ended;
  }

  async end(): Promise<void> {
    await this.stop('SIGKILL');
    await this.stopStock();
  }

  /** `10.50.1.0/24`, of the subnet file. */
  subnet(): string {
    const [, address = '', prefix = ''] =
      /FLANNEL_SUBNET=([\d.]+)\/(\d+)/.exec(readFileSync(this.subnetFile, 'utf8')) ?? [];
    return `${address.replace(/\d+$/, '0')}/${prefix}`;
  }

  /** The IPv6 subnet of the subnet file. */
  subnet6(): string {
    const [, address = '', prefix = ''] =
      /FLANNEL_IPV6_SUBNET=([0-9a-f:]+)\/(\d+)/.exec(readFileSync(this.subnetFile, 'utf8')) ?? [];
    return `${address.replace(/1$/, '')}/${prefix}`;
  }

  /** The destinations of routes that a network has made, with what they lead through. */
  routes(): string[] {
    return this.sh('ip route')
      .split('\n')
      .filter((line) => line.startsWith('10.50.'))
      .map((line) => line.replace(/ proto \S+/, '').trim());
  }

  /** Gives the node an address of its subnet, as a container would have, and returns it. */
  addAddress(): string {
    const address = this.subnet().replace(/0\/\d+$/, '1');
    if (!this.sh('ip -o addr').includes(` ${address}/`)) this.sh(`ip addr add ${address}/32 dev lo`);
    return address;
  }

  async reaches(address: string, from?: string): Promise<boolean> {
    const source = from === undefined ? [] : ['-I', from];
    return await run('ip', [
      'netns',
      'exec',
      this.netns,
      'ping',
      '-q',
      '-c',
      '1',
      '-W',
      '1',
      ...source,
      address,
    ]).then(
      () => true,
      () => false,
    );
  }
}
