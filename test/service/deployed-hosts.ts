import { execFileSync, spawn, type ChildProcess } from 'node:child_process';
import { once } from 'node:events';
import { join } from 'node:path';
import { barewire, Run, type Ended } from '../cli/barewire.js';
import { writeSshFiles } from '../ssh-hosts.js';
import { NodeLab } from './node-lab.js';

export const ROLES = ['client', 'server'] as const;
type Role = (typeof ROLES)[number];

/** Private files in place of those that hosts would share with this machine. */
const PRIVATE = [
  'mount -t tmpfs tmpfs /run',
  'mkdir -p /run/sshd /run/netns /run/etc/upper /run/etc/work',
  'mount -t overlay overlay -o lowerdir=/etc,upperdir=/run/etc/upper,workdir=/run/etc/work /etc',
  'mount -t tmpfs tmpfs /opt',
  'echo ready',
  'exec sleep infinity',
].join(' && ');
/** What a host's login has: its own journals and its own cache. */
const ENVIRONMENT = ['BAREWIRE_STATE=/run/state', 'XDG_CACHE_HOME=/run/cache'];

/** Two machines of a user, each with the usual paths and reached by the real ssh, on one segment with etcd. */
export class DeployedHosts implements AsyncDisposable {
  readonly lab: NodeLab;
  readonly #holders: Readonly<Record<Role, ChildProcess>>;
  readonly #agents = new Map<Role, Run>();
  /** Has a program `ssh` that reaches the hosts. */
  #path = '';

  private constructor(lab: NodeLab, holders: Readonly<Record<Role, ChildProcess>>) {
    this.lab = lab;
    this.#holders = holders;
  }

  /** @param config flannel's */
  static async start(config: object): Promise<DeployedHosts> {
    const lab = await NodeLab.start(2, config);
    const hold = (number: number): ChildProcess =>
      spawn(
        'setpriv',
        [
          ...['--pdeathsig', 'KILL', 'nsenter'],
          `--net=/run/netns/${lab.node(number).netns}`,
          ...['unshare', '--mount', '--propagation', 'private', 'sh', '-c', PRIVATE],
        ],
        { stdio: ['ignore', 'pipe', 'inherit'] },
      );
    const hosts = new DeployedHosts(lab, { client: hold(1), server: hold(2) });
    try {
      for (const role of ROLES) await once(hosts.#holders[role].stdout!, 'data');
      hosts.#path = writeSshFiles(
        hosts.#folder,
        ROLES.map((name) => ({ name, prefix: hosts.prefix(name), environment: ENVIRONMENT })),
      );
      return hosts;
    } catch (error) {
      await hosts[Symbol.asyncDispose]();
      throw error;
    }
  }

  get #folder(): string {
    return join(this.lab.folder, 'ssh');
  }

  /** Runs barewire on this machine, whose user has configured ssh for both hosts. */
  study(...args: string[]): Run {
    return new Run(['study', '--testbed', 'ssh:client,server', ...args], ['env', `PATH=${this.#path}`]);
  }

  /** Runs a program on a host. */
  prefix(role: Role): string[] {
    return [
      // A CPU for each, as machines have.
      ...['taskset', '--cpu-list', String(ROLES.indexOf(role))],
      ...['nsenter', `--target=${this.#holders[role].pid ?? 0}`, '--mount', '--net', '--'],
      ...['env', ...ENVIRONMENT],
    ];
  }

  sh(role: Role, line: string): string {
    return execFileSync('env', [...this.prefix(role), 'sh', '-c', line], { encoding: 'utf8' });
  }

  barewire(role: Role, ...args: string[]): Promise<Ended> {
    return barewire(args, this.prefix(role));
  }

  /** Starts `barewire node` on a host, and waits until it has joined. */
  async startNode(role: Role, ...args: string[]): Promise<void> {
    const endpoints = this.lab.etcd.endpoints.join();
    const all = ['node', '--etcd-endpoints', endpoints, '--state', '/run/node', '--ip-masq', ...args];
    const agent = new Run(all, this.prefix(role));
    this.#agents.set(role, agent);
    await agent.untilSaid(/"kind":"ready"/);
  }

  async stopNode(role: Role): Promise<void> {
    const agent = this.#agents.get(role);
    this.#agents.delete(role);
    agent?.child.kill('SIGTERM');
    await agent?.ended;
  }

  async status(role: Role): Promise<Readonly<Record<string, unknown>>> {
    const { stdout } = await this.barewire(role, 'node', 'status', '--json');
    return JSON.parse(stdout) as Readonly<Record<string, unknown>>;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    for (const role of ROLES) await this.stopNode(role);
    for (const role of ROLES) {
      const holder = this.#holders[role];
      if (holder.exitCode !== null || holder.signalCode !== null) continue;
      holder.kill('SIGKILL');
      await once(holder, 'exit');
    }
    await this.lab[Symbol.asyncDispose]();
  }
}
