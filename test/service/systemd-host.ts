import { execFileSync, spawn, type ChildProcess } from 'node:child_process';
import { once } from 'node:events';
import { existsSync, mkdirSync, readFileSync } from 'node:fs';
import { until } from './until.js';

const SYSTEMD = '/lib/systemd/systemd';
/** Why no host with systemd can be made here; null where one can. */
export const noSystemd = existsSync(SYSTEMD) ? null : 'systemd is not installed';

/** A tree of this machine with changes of its own, without the units of its packages: they would start services that no test needs. */
const PREPARE = `set -e
mount -t tmpfs tmpfs "$0"
mkdir "$0/upper" "$0/work" "$0/root" "$0/groups"
mount -t overlay overlay -o "lowerdir=/,upperdir=$0/upper,workdir=$0/work" "$0/root"
cd "$0/root"
rm -rf etc/systemd/system lib/systemd/system/*.wants
mkdir -p etc/systemd/system
printf '[Unit]\\nDefaultDependencies=no\\n' > etc/systemd/system/test.target
echo 0123456789abcdef0123456789abcdef > etc/machine-id
mount -t cgroup2 cgroup2 "$0/groups"
mkdir "$0/groups/$1"
echo $$ > "$0/groups/$1/cgroup.procs"
exec unshare --cgroup --pid --uts --ipc --fork --kill-child sh -c "$2" "$0"
`;
const BOOT = `set -e
cd "$0/root"
mount -t proc proc proc
mount -t sysfs sysfs sys
mount -t cgroup2 cgroup2 sys/fs/cgroup
mount --rbind /dev dev
mount -t tmpfs -o mode=755 tmpfs run
mkdir run/netns
exec env -i container=test PATH=/usr/sbin:/usr/bin:/sbin:/bin chroot . ${SYSTEMD} --system --unit=test.target --log-target=console
`;

/** A machine whose first process is systemd: a tree, processes and control groups of its own, in the namespace of a network. */
export class SystemdHost implements AsyncDisposable {
  readonly #first: ChildProcess;
  readonly #group: string;
  readonly #folder: string;
  #log = '';
  #pid = 0;

  private constructor(folder: string, netns: string) {
    this.#folder = folder;
    this.#group = `barewire-${netns}`;
    this.#first = spawn(
      'setpriv',
      [
        ...['--pdeathsig', 'KILL', 'nsenter', `--net=/run/netns/${netns}`],
        ...['unshare', '--mount', '--propagation', 'private'],
        ...['sh', '-c', PREPARE, folder, this.#group, BOOT],
      ],
      { stdio: ['ignore', 'pipe', 'pipe'] },
    );
    for (const stream of [this.#first.stdout, this.#first.stderr])
      stream?.setEncoding('utf8').on('data', (text: string) => (this.#log += text));
  }

  /** @param folder is made, and is empty outside of the host */
  static async start(folder: string, netns: string): Promise<SystemdHost> {
    mkdirSync(folder);
    const host = new SystemdHost(folder, netns);
    try {
      await until('systemd runs', () => host.#isReady(), 20_000);
      return host;
    } catch (error) {
      await host[Symbol.asyncDispose]();
      throw new Error(`systemd did not start: ${host.#log}`, { cause: error });
    }
  }

  #isReady(): boolean {
    const { pid, exitCode } = this.#first;
    if (exitCode !== null) throw new Error(`it ended with ${exitCode}`);
    // `unshare` is the child, and its child the first process.
    this.#pid = Number(readFileSync(`/proc/${pid}/task/${pid}/children`, 'latin1').trim());
    return this.#pid > 0 && existsSync(`/proc/${this.#pid}/root/run/systemd/private`);
  }

  /** Runs a program there. */
  get prefix(): string[] {
    return ['nsenter', `--target=${this.#pid}`, '--all', '--root', '--wdns=/', '--'];
  }

  sh(line: string): string {
    const [program, ...args] = [...this.prefix, 'sh', '-c', line];
    return execFileSync(program, args, { encoding: 'utf8', stdio: ['ignore', 'pipe', 'pipe'] });
  }

  async [Symbol.asyncDispose](): Promise<void> {
    if (this.#first.exitCode === null && this.#first.signalCode === null) {
      const ended = once(this.#first, 'exit');
      this.#first.kill('SIGKILL');
      await ended;
    }
    const remove = `mount -t cgroup2 cgroup2 "$0" && cd "$0" && for try in 1 2 3 4 5 6 7 8 9; do
  [ -d "$1" ] || exit 0; find "$1" -depth -type d -exec rmdir {} + 2>/dev/null && exit 0; sleep 0.2; done; exit 1`;
    execFileSync('unshare', ['--mount', 'sh', '-c', remove, this.#folder, this.#group]);
  }
}
