import { execFileSync } from 'node:child_process';
import { randomBytes } from 'node:crypto';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { connectAgent, type Machine } from '../../src/machine/index.js';
import type { UndoTarget, Step } from '../../src/schema/index.js';

export const sh = (file: string, ...args: string[]): string =>
  execFileSync(file, args, { encoding: 'utf8', stdio: 'pipe' });

/** A host for a test: a namespace with a link, an address and a route of its own, and a state folder for the journals. */
export interface TestHost extends Disposable {
  readonly run: string;
  readonly netns: string;
  readonly folder: string;
  /** All that the kernel tells of the namespace. */
  dump(): string;
}

export function openTestHost(): TestHost {
  const run = randomBytes(3).toString('hex');
  const netns = `mt-${run}`;
  const folder = mkdtempSync(join(tmpdir(), 'barewire-machine-'));
  const stateBefore = process.env['BAREWIRE_STATE'];
  process.env['BAREWIRE_STATE'] = join(folder, 'state');
  sh('ip', 'netns', 'add', netns);
  // Without IPv6, whose addresses come and go by themselves.
  sh('ip', 'netns', 'exec', netns, 'sysctl', '-qw', 'net.ipv6.conf.all.disable_ipv6=1');
  for (const line of OWN) sh('ip', '-n', netns, ...line.split(' '));
  settle(netns);
  return {
    run,
    netns,
    folder,
    dump: () => dumpNetns(netns),
    [Symbol.dispose]: () => {
      if (stateBefore === undefined) delete process.env['BAREWIRE_STATE'];
      else process.env['BAREWIRE_STATE'] = stateBefore;
      for (const name of sh('ip', 'netns').match(new RegExp(`^${netns}\\S*`, 'gm')) ?? []) removeNetns(name);
      rmSync(folder, { recursive: true, force: true });
    },
  };
}

/** Removes a namespace with the processes that a failed test has left in it. */
export function removeNetns(name: string): void {
  for (const pid of sh('ip', 'netns', 'pids', name).split('\n').filter(Boolean))
    try {
      process.kill(Number(pid), 'SIGKILL');
    } catch {
      // It has ended meanwhile.
    }
  sh('ip', 'netns', 'del', name);
}

/** A host with an agent. Disposing removes both, whatever the test has done with the agent. */
export interface ConnectedHost extends AsyncDisposable {
  readonly testHost: TestHost;
  readonly machine: Machine;
}

export async function connectTestHost(): Promise<ConnectedHost> {
  const testHost = openTestHost();
  try {
    const machine = await connectAgent({ run: testHost.run, host: 'server', netns: testHost.netns });
    return {
      testHost,
      machine,
      [Symbol.asyncDispose]: async () => {
        try {
          await machine[Symbol.asyncDispose]();
        } finally {
          testHost[Symbol.dispose]();
        }
      },
    };
  } catch (error) {
    testHost[Symbol.dispose]();
    throw error;
  }
}

/** A carrier is told of a moment later (net/core/link_watch.c): until then, what is dumped is about to change. */
function settle(netns: string): void {
  const until = performance.now() + 5_000;
  while (/NO-CARRIER|LOWERLAYERDOWN/.test(sh('ip', '-n', netns, 'link')))
    if (performance.now() > until) throw new Error(`the links of ${netns} have no carrier`);
}

/** What was on the host before: a user's own. */
const OWN = [
  'link set lo up',
  'link add eth0 type veth peer name eth0-peer',
  'link add flannel.1 type vxlan id 77 dstport 8472 local 192.0.2.1',
  'addr add 192.0.2.1/24 dev eth0',
  'link set eth0 up',
  'link set eth0-peer up',
  'route add 203.0.113.0/24 via 192.0.2.2',
];

const LOOKS = [
  'ip -d link',
  'ip -d addr',
  'ip -d route show table all',
  'ip rule',
  'ip neigh',
  'bridge fdb',
  'tc qdisc',
  'sysctl -a --pattern ^net.ipv4.(conf|ip_forward|neigh)',
  'sysctl -a --pattern ^net.ipv6.conf',
];

function dumpNetns(netns: string): string {
  return LOOKS.map(
    (look) => `# ${look}\n${sh('nsenter', `--net=/run/netns/${netns}`, ...look.split(' '))}`,
  ).join('');
}

/** A step of `ip`, `bridge` or `tc`; the whole line is its reason. */
export function command(netns: string | null, line: string, undo: UndoTarget | null = null): Step {
  const [tool, ...args] = line.split(' ');
  if (tool !== 'ip' && tool !== 'bridge' && tool !== 'tc') throw new Error(`${line} is no command`);
  return { why: line, do: { kind: 'command', tool, netns, args }, undo };
}

export const sysctl = (key: string, value: string, netns: string | null = null): Step => ({
  why: `set ${key}`,
  do: { kind: 'sysctl', netns, key, value },
  undo: { kind: 'sysctl', netns, key },
});

export const file = (path: string, content = 'x'): Step => ({
  why: `write ${path}`,
  do: { kind: 'file', path, content },
  undo: { kind: 'file', path },
});

export const directory = (path: string): Step => ({
  why: `make ${path}`,
  do: { kind: 'directory', path },
  undo: { kind: 'directory', path },
});

export const program = (name: string, argv: readonly string[], netns: string | null = null): Step => ({
  why: `run ${name}`,
  do: { kind: 'process', name, netns, argv, cpus: [] },
  undo: { kind: 'process', name },
});

export const link = (name: string, netns: string | null = null): UndoTarget => ({
  kind: 'link',
  netns,
  name,
});

/** What a network with every kind of step does to a host: fourteen steps. */
export const everyKind = (container: string, folder: string): readonly Step[] => [
  command(null, `ip netns add ${container}`, { kind: 'netns', name: container }),
  command(container, 'ip link set lo up'),
  command(null, 'ip link add cni0 type bridge', link('cni0')),
  command(null, 'ip addr add 198.18.1.1/24 dev cni0'),
  command(null, 'ip link set cni0 up'),
  command(null, `ip link add veth1 master cni0 type veth peer name eth0 netns ${container}`, link('veth1')),
  command(null, 'ip link set veth1 up'),
  command(null, 'ip route add 198.18.2.0/24 via 192.0.2.9', {
    kind: 'route',
    netns: null,
    destination: '198.18.2.0/24',
  }),
  command(null, 'bridge fdb add 02:00:00:00:00:09 dev veth1 master static'),
  command(null, 'tc qdisc add dev eth0 root tbf rate 1gbit burst 64k latency 50ms', {
    kind: 'qdisc',
    netns: null,
    link: 'eth0',
  }),
  sysctl('net.ipv4.ip_forward', '1'),
  sysctl('net.ipv4.conf.eth0.rp_filter', '0'),
  directory(`${folder}/a/b`),
  file(`${folder}/a/b/nginx.conf`, 'worker_processes 1;\n'),
];

export async function rejection(promise: Promise<unknown>): Promise<Error & { code?: string }> {
  try {
    await promise;
  } catch (error) {
    return error as Error;
  }
  throw new Error('it was expected to fail');
}
