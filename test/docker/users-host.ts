import { execFileSync } from 'node:child_process';
import { randomBytes } from 'node:crypto';
import { join } from 'node:path';
import { connectAgent, type Machine } from '../../src/machine/index.js';
import { daemonSteps, dataRootStep, socketOf, type DaemonPlace } from '../../src/network/index.js';
import type { Step } from '../../src/schema/index.js';

/** A user's Docker host: a namespace with a daemon that has its usual effects, and with networks and containers. */
export interface UsersHost extends AsyncDisposable {
  /** The value of DOCKER_HOST. */
  readonly socket: string;
  docker(...args: string[]): string;
  /** All that must not change: objects of Docker, links, addresses, routes, rules and settings. */
  dump(): string;
}

/** A user's daemon makes its host forward. */
const asUsers = (step: Step): Step =>
  step.do.kind === 'process'
    ? {
        ...step,
        do: { ...step.do, argv: step.do.argv.filter((word) => !word.startsWith('--ip-forward=')) },
      }
    : step;

/** @param archives images that the user has loaded */
export async function openUsersHost(netns: string, archives: readonly string[]): Promise<UsersHost> {
  const run = randomBytes(3).toString('hex');
  const machine: Machine = await connectAgent({ run, host: 'users', netns });
  const name = `barewire-${run}-users`;
  const place: DaemonPlace = {
    name,
    folder: `/run/barewire/${name}`,
    dataRoot: join('/var/lib/barewire/docker', name),
  };
  const socket = socketOf(place);
  const sh = (file: string, ...args: string[]): string =>
    execFileSync('nsenter', [`--net=/run/netns/${netns}`, '--', file, ...args], {
      encoding: 'utf8',
      stdio: ['ignore', 'pipe', 'pipe'],
    });
  const docker = (...args: string[]): string => sh('docker', '--host', `unix://${socket}`, ...args);
  const bridge = { address: '172.17.0.1/16', mtu: 1500, containers: '172.17.0.0/16', translates: true };
  try {
    await machine.apply([dataRootStep(place), ...daemonSteps(place, bridge).map(asUsers)]);
    for (const archive of archives) docker('load', '--quiet', '--input', archive);
    docker('network', 'create', '--subnet', '172.30.0.0/24', 'theirs');
    const idle = ['--entrypoint', 'sleep', 'barewire.test/nginx:1', '1000000'];
    docker('run', '--detach', '--name', 'theirs', '--network', 'theirs', '--publish', '9000:9000', ...idle);
    docker('create', '--name', 'barewire-theirs', '--label', 'barewire.run=other', ...idle);
  } catch (error) {
    await machine[Symbol.asyncDispose]();
    throw error;
  }
  return {
    socket: `unix://${socket}`,
    docker,
    dump: () =>
      [
        docker(
          'ps',
          '--all',
          '--no-trunc',
          '--format',
          '{{.ID}} {{.Names}} {{.State}} {{.Networks}} {{.Ports}}',
        ),
        docker(
          'network',
          'inspect',
          ...docker('network', 'ls', '--quiet', '--no-trunc').split('\n').filter(Boolean),
        ),
        docker('images', '--no-trunc').split('\n').sort().join('\n'),
        sh('iptables-save').replace(/^#.*\n|\[\d+:\d+\]/gm, ''),
        sh('ip', 'link'),
        sh('ip', 'addr').replace(/valid_lft.*/g, ''),
        sh('ip', 'route', 'show', 'table', 'all'),
        sh('sysctl', '-a', '--pattern', '^net.ipv4.(conf|ip_forward)|bridge-nf'),
      ].join('\n'),
    [Symbol.asyncDispose]: async () => {
      docker('rm', '--force', 'theirs');
      await machine[Symbol.asyncDispose]();
    },
  };
}
