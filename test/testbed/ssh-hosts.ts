import { execFileSync, spawn, type ChildProcess } from 'node:child_process';
import { once } from 'node:events';
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { openTestbed, planTestbed, type Testbed, type TestbedPlan } from '../../src/testbed/index.js';

const ROLES = ['client', 'server'] as const;
type Role = (typeof ROLES)[number];
const WIRE = { mtu: 1500, rateMbps: null };

/** How a test names the hosts. */
interface Reach {
  readonly config?: string;
  readonly client?: string;
  readonly server?: string;
  readonly ip?: 4 | 6;
  readonly networks?: readonly string[];
}

/** Private files in place of those that a host would share with this machine, and then its sshd. */
const PRIVATE = [
  'mount -t tmpfs tmpfs /run',
  'mkdir -p /run/sshd /run/netns /run/etc/upper /run/etc/work /var/lib/barewire',
  'mount -t overlay overlay -o lowerdir=/etc,upperdir=/run/etc/upper,workdir=/run/etc/work /etc',
  'mount -t tmpfs tmpfs /root',
  'mount -t tmpfs tmpfs /home',
  'mount -t tmpfs -o mode=1777 tmpfs /var/tmp',
  'mount -t tmpfs tmpfs /var/lib/barewire',
  'mount -t sysfs sysfs /sys',
].join(' && ');

/**
 * Two machines of a user: namespaces on one segment, each with a real sshd, its own /etc, home directories and journals. Their
 * processes end with the fixture.
 */
export class SshHosts implements AsyncDisposable {
  readonly folder = mkdtempSync(join(tmpdir(), 'barewire-ssh-'));
  readonly #sshd = new Map<Role, ChildProcess>();

  static async start(): Promise<SshHosts> {
    const hosts = new SshHosts();
    try {
      hosts.#makeNamespaces();
      hosts.#makeKeys();
      for (const role of ROLES) await hosts.#startSshd(role);
      return hosts;
    } catch (error) {
      await hosts[Symbol.asyncDispose]();
      throw error;
    }
  }

  netns(role: Role): string {
    return `bwssh-${process.pid}-${role}`;
  }

  /** Runs a shell line on a host, in all of its namespaces. */
  sh(role: Role, line: string): string {
    return execFileSync('nsenter', [...this.#inside(role), 'sh', '-c', line], { encoding: 'utf8' });
  }

  /** Whether any of the host's programs has this in its command line. */
  runs(role: Role, words: string): boolean {
    return this.sh(role, `cat /proc/[0-9]*/cmdline 2>/dev/null | tr '\\0' ' '`).includes(words);
  }

  /**
   * An ssh configuration for both hosts.
   *
   * @param lines options that precede the others, for one host or for both
   * @param through a program between ssh and the host's sshd, as a slow link is
   */
  config(lines: string | Partial<Record<Role, string>> = '', through = ''): string {
    const path = join(this.folder, `config-${Math.random().toString(36).slice(2)}`);
    const of = (role: Role): string => `Host ${role} ${role}-*
${typeof lines === 'string' ? lines : (lines[role] ?? '')}
HostName ${this.address(role)}
ProxyCommand ${through} nsenter --net=/run/netns/${this.netns(role)} -- busybox nc %h %p
`;
    const common = `Host *
User root
ProxyCommand nsenter --net=/run/netns/${this.netns('server')} -- busybox nc %h %p
IdentityFile ${this.folder}/user
IdentitiesOnly yes
UserKnownHostsFile /dev/null
StrictHostKeyChecking no
LogLevel ERROR
`;
    writeFileSync(path, [...ROLES.map(of), common].join('\n'));
    return path;
  }

  address(role: Role): string {
    return `10.99.7.${ROLES.indexOf(role) + 1}`;
  }

  open({
    config = this.config(),
    client = 'client',
    server = 'server',
    ip = 4,
  }: Reach = {}): Promise<Testbed> {
    return openTestbed({ kind: 'ssh', options: { client, server, config } }, { wire: WIRE, ip });
  }

  plan({
    config = this.config(),
    client = 'client',
    server = 'server',
    ip = 4,
    ...rest
  }: Reach = {}): Promise<TestbedPlan> {
    return planTestbed({ kind: 'ssh', options: { client, server, config } }, { wire: WIRE, ip, ...rest });
  }

  #inside(role: Role): string[] {
    const parent = this.#sshd.get(role)?.pid ?? 0;
    const child = readFileSync(`/proc/${parent}/task/${parent}/children`, 'latin1').trim();
    return [`--target=${child}`, '--mount', '--net', '--pid', '--'];
  }

  #makeNamespaces(): void {
    const [client, server] = [this.netns('client'), this.netns('server')];
    const ip = (line: string): Buffer => execFileSync('ip', line.split(' '));
    for (const name of [client, server]) ip(`netns add ${name}`);
    ip(`-n ${client} link add eth0 type veth peer name eth0 netns ${server}`);
    for (const role of ROLES) {
      const at = `-n ${this.netns(role)}`;
      ip(`${at} link set lo up`);
      ip(`${at} addr add ${this.address(role)}/24 dev eth0`);
      ip(`${at} addr add fd00:99:7::${ROLES.indexOf(role) + 1}/64 dev eth0 nodad`);
      ip(`${at} link set eth0 up`);
    }
  }

  #makeKeys(): void {
    for (const key of ['host', 'user'])
      execFileSync('ssh-keygen', ['-q', '-t', 'ed25519', '-N', '', '-f', join(this.folder, key)]);
    const server = [
      `HostKey ${this.folder}/host`,
      `AuthorizedKeysFile ${this.folder}/user.pub`,
      'PidFile none',
      'StrictModes no',
      'PermitRootLogin yes',
      'Port 22',
      'Port 2222',
      'MaxStartups 30',
    ];
    writeFileSync(join(this.folder, 'sshd_config'), `${server.join('\n')}\n`);
    // Accounts of the hosts read the public key.
    execFileSync('chmod', ['755', this.folder]);
  }

  async #startSshd(role: Role): Promise<void> {
    const script = `${PRIVATE} && echo ready && exec /usr/sbin/sshd -D -f ${this.folder}/sshd_config`;
    const child = spawn(
      'setpriv',
      [
        ...['--pdeathsig', 'KILL', 'nsenter', `--net=/run/netns/${this.netns(role)}`, 'unshare', '--mount'],
        ...[
          '--propagation',
          'private',
          '--pid',
          '--fork',
          '--kill-child',
          '--mount-proc',
          'sh',
          '-c',
          script,
        ],
      ],
      { stdio: ['ignore', 'pipe', 'inherit'] },
    );
    this.#sshd.set(role, child);
    await once(child.stdout, 'data');
    while (!this.sh(role, 'cat /proc/net/tcp').includes(':0016 '))
      await new Promise((done) => setTimeout(done, 10));
  }

  async [Symbol.asyncDispose](): Promise<void> {
    for (const child of this.#sshd.values()) {
      if (child.exitCode !== null || child.signalCode !== null) continue;
      child.kill('SIGKILL');
      await once(child, 'exit');
    }
    for (const role of ROLES)
      try {
        execFileSync('ip', ['netns', 'del', this.netns(role)], { stdio: 'ignore' });
      } catch {
        // It was not made.
      }
    rmSync(this.folder, { recursive: true });
  }
}
