import { CLOCK_SOURCE, isSlowClock, listeningPorts } from '../../linux/index.js';
import { runCommand } from '../../machine/index.js';
import type { Finding } from '../../schema/index.js';
import { parseNginxBuild } from '../../server/index.js';
import { readBundle } from '../bundle.js';
import { allowedCpus, ONLINE_CPUS } from '../netns/open.js';
import { parseSpeed } from '../nic.js';
import {
  both,
  disposeBoth,
  onBoth,
  openBoth,
  type Pair,
  type PlannedHost,
  type PlanOptions,
  type TestbedPlan,
} from '../types.js';
import { findConflicts, readPresent } from './conflicts.js';
import { findDataLinks } from './data-link.js';
import { DEPLOYED, nodeFacts, planDeployed, readNode } from './deployed.js';
import { findOtherTraffic } from './other-traffic.js';
import { HostReader, queryRemoteHost } from './remote-host.js';
import { shareConnection } from './shared-connection.js';
import { parseTarget, type SshConnection, type SshRunOptions, type SshTarget } from './ssh-connection.js';

/** Two machines by their names for ssh. */
export interface SshHosts {
  readonly client: string;
  readonly server: string;
  readonly config?: string | undefined;
}

/** Runs ssh on this machine. */
export const here: SshRunOptions = (argv, options) => runCommand(argv, { netns: null, ...options });

export const targetsOf = ({ client, server, config }: SshHosts): Pair<SshTarget & SshConnection> => ({
  client: { ...parseTarget(client), config: config ?? null },
  server: { ...parseTarget(server), config: config ?? null },
});

const STATUS = '/proc/self/status';
const MEMORY = '/proc/meminfo';
const LISTENERS = ['/proc/net/tcp', '/proc/net/tcp6'] as const;
const GROUPS = '/etc/group';
const IPV6 = '/proc/sys/net/ipv6/conf/default/disable_ipv6';

async function findSlowClock(reader: HostReader): Promise<readonly Finding[]> {
  const clock = (await reader.readFiles([CLOCK_SOURCE]))[CLOCK_SOURCE]?.trim() ?? null;
  return clock === null || !isSlowClock(clock)
    ? []
    : [{ code: 'clock-slow', clock, host: `the ${reader.name}` }];
}

/** Reads both machines over ssh: their data interfaces, addresses and CPUs, and what others have there. */
export async function planSshTestbed(
  names: SshHosts,
  { ip = 4, networks }: PlanOptions,
): Promise<TestbedPlan> {
  const targets = targetsOf(names);
  const shared = await openBoth((role) => shareConnection(here, targets[role]));
  await using _shared = { [Symbol.asyncDispose]: () => disposeBoth(shared) };
  const bundle = await readBundle();
  const remote = await both((role) => queryRemoteHost(here, shared[role], bundle));
  const reader = (role: keyof Pair<unknown>): HostReader => new HostReader(here, role, shared[role]);
  const end = (role: keyof Pair<unknown>) => ({
    machine: reader(role),
    dev: targets[role].dev,
    address: remote[role].address,
  });
  const [links, found, present] = await Promise.all([
    findDataLinks(ip, end('client'), end('server')),
    both((role) => readNode(reader(role), remote[role])),
    both((role) => readPresent(reader(role), ip)),
  ]);
  const noise = await both(async (role) => [
    ...(await findOtherTraffic(reader(role), links[role].dev)),
    ...(await findSlowClock(reader(role))),
  ]);
  const anyNode = (found.client ?? found.server)?.node;
  const isMeasured = networks?.includes(DEPLOYED.name) === true;
  const hosts = await both(async (role): Promise<PlannedHost> => {
    const speed = `/sys/class/net/${links[role].dev}/speed`;
    const files = await reader(role).readFiles([
      STATUS,
      ONLINE_CPUS,
      MEMORY,
      IPV6,
      ...LISTENERS,
      GROUPS,
      speed,
    ]);
    const nginx = role === 'server' ? await reader(role).run(['nginx', '-V']) : null;
    const linkMbps = parseSpeed(files[speed]);
    const memoryKb = /^MemTotal: +(\d+) kB$/m.exec(files[MEMORY] ?? '')?.[1];
    // Names of what is built beside it agree on both hosts, and each host refuses what its own agent excludes.
    const node = found[role]?.node ?? anyNode;
    return {
      role,
      net: {
        ...links[role],
        ...(files[IPV6] === null && { ipv6: false }),
        ...(node !== undefined && {
          deployed: { backend: node.backend, attachment: node.attachment },
        }),
      },
      ...(found[role] !== null && { facts: nodeFacts(found[role].node) }),
      cpus: allowedCpus(files[STATUS] ?? '', files[ONLINE_CPUS] ?? null),
      bundle: remote[role].bundle,
      ...(nginx?.code === 0 && {
        nginx: parseNginxBuild(nginx.stderr, files[GROUPS] ?? '', `the ${role}`),
      }),
      takenPorts: listeningPorts(LISTENERS.map((path) => files[path] ?? '').join('')),
      ...(linkMbps === null ? {} : { linkMbps }),
      ...(memoryKb === undefined ? {} : { memoryBytes: Number(memoryKb) * 1_024 }),
    };
  });
  return {
    ...(isMeasured && {
      deployed: planDeployed(
        found,
        onBoth((role) => links[role].dev),
        ip,
      ),
    }),
    hosts,
    steps: [],
    warnings: [...noise.client, ...noise.server],
    unavailable: findConflicts(networks, { client: hosts.client.net, server: hosts.server.net }, present),
  };
}
