import { execFile, spawn, type ChildProcess } from 'node:child_process';
import { once } from 'node:events';
import { cpSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { promisify } from 'node:util';
import type { LabNode } from '../../service/node-lab.js';

const run = promisify(execFile);

/**
 * Fixed places of clients, empty and of their own: /opt/cni/bin, /etc/cni/net.d, and below /var/lib and /run/containerd. /run/netns stays
 * that of the machine: the agent sees the namespaces that clients make.
 */
const PLACES = `
for place in / /opt /etc/cni /var/lib; do mount --make-private "$place" 2>/dev/null; done
mkdir -p /run/containerd
for place in /opt /etc/cni /var/lib /run/containerd; do mount -t tmpfs -o mode=755 clients "$place" || exit 1; done
mkdir -p /opt/cni && ln -s "$1" /opt/cni/bin && ln -s "$2" /etc/cni/net.d && echo ready && exec sleep infinity`;

/** Port mappings, and a setting of the container, behind the node's plugin. */
const CHAIN = [
  { type: 'portmap', capabilities: { portMappings: true } },
  { type: 'tuning', sysctl: { 'net.ipv4.conf.IFNAME.arp_ignore': '1' } },
];

/** Runs clients of CNI on a node as its administrator would: in its namespace, with the plugin that `barewire node install` has written. */
export class ClientHost implements AsyncDisposable {
  readonly node: LabNode;
  readonly #holder: ChildProcess;

  private constructor(node: LabNode, holder: ChildProcess) {
    this.node = node;
    this.#holder = holder;
  }

  /** @param plugins the directory of the CNI project's plugins */
  static async open(node: LabNode, plugins: string): Promise<ClientHost> {
    const folders = { bin: join(node.folder, 'bin'), conf: join(node.folder, 'net.d') };
    const args = ['--bin-dir', folders.bin, '--conf-dir', folders.conf, '--cni', node.cni];
    const { status, stderr } = await node.barewire('node', 'install', ...args);
    if (status !== 0) throw new Error(stderr);
    cpSync(plugins, folders.bin, { recursive: true });
    const file = join(folders.conf, '10-barewire.conflist');
    const list = JSON.parse(readFileSync(file, 'utf8')) as { plugins: object[] };
    const text = JSON.stringify({ ...list, plugins: [...list.plugins, ...CHAIN] });
    writeFileSync(file, text.replace('IFNAME', 'eth0'));
    const argv = ['--pdeathsig', 'KILL', 'nsenter', `--net=/run/netns/${node.netns}`];
    const unshare = ['unshare', '-m', '--propagation', 'unchanged'];
    const script = ['sh', '-c', PLACES, 'sh', folders.bin, folders.conf];
    const holder = spawn('setpriv', [...argv, ...unshare, ...script], {
      stdio: ['ignore', 'pipe', 'inherit'],
    });
    await Promise.race([
      once(holder.stdout, 'data'),
      once(holder, 'exit').then(() => Promise.reject(new Error('the places of clients could not be made'))),
    ]);
    return new ClientHost(node, holder);
  }

  /** The arguments that run a program on this host. */
  argv(...program: string[]): [string, ...string[]] {
    return ['nsenter', '-t', String(this.#holder.pid), '-m', '-n', ...program];
  }

  async run(program: readonly string[], env: Readonly<Record<string, string>> = {}): Promise<string> {
    const [command, ...args] = this.argv(...program);
    const { stdout } = await run(command, args, { env: { ...process.env, ...env }, maxBuffer: 1 << 24 });
    return stdout.trim();
  }

  /** The attachments that the agent has recorded. */
  attachments(): readonly RecordedAttachment[] {
    const text = readFileSync(join(this.node.folder, 'state/attachments.json'), 'utf8');
    return (JSON.parse(text) as { list: RecordedAttachment[] }).list;
  }

  hostLinks(): string[] {
    return this.node.sh('ip -o link').match(/bw[0-9a-f]{12}(?=@)/g) ?? [];
  }

  async [Symbol.asyncDispose](): Promise<void> {
    const ended = once(this.#holder, 'exit');
    this.#holder.kill('SIGKILL');
    await ended;
    rmSync(join(this.node.folder, 'net.d'), { recursive: true, force: true });
  }
}

export interface RecordedAttachment {
  readonly containerId: string;
  readonly ifname: string;
  readonly netns: string;
  readonly addresses: readonly string[];
}

/** The body of a page that is requested from a namespace; null when nothing answers within a second. */
export async function fetchFrom(netns: string, url: string): Promise<string | null> {
  const program = `process.stdout.write(await (await fetch(${JSON.stringify(url)}, { signal: AbortSignal.timeout(1000) })).text())`;
  const args = [`--net=${netns}`, process.execPath, '--input-type=module', '-e', program];
  return await run('nsenter', args).then(
    ({ stdout }) => stdout,
    () => null,
  );
}
