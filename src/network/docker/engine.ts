import { CPU_SHARES, type Step } from '../../schema/index.js';
import type { DaemonPlace } from './daemon.js';

/** How Docker makes the containers of a host: by which daemon, and what they get. */
export interface ContainerEngine {
  /** The unix socket of the daemon; null is the one that `docker` uses without options. */
  readonly daemon: string | null;
  readonly image: string;
  /** The folder of the generator's bundle, mounted read-only as `BUNDLE_MOUNT`; null on a server. */
  readonly bundle: string | null;
  /** The CPUs that the containers may use; none leaves it to the scheduler. */
  readonly cpus: readonly number[];
  /**
   * Where a daemon of Barewire's own makes flannel's bridge: docker0, with the address and MTU of its options. Null where the
   * user's daemon makes it, as a network of its own.
   */
  readonly bridgeDaemon: DaemonPlace | null;
}

export const BUNDLE_MOUNT = '/barewire';
export const DOCKER_LABEL = 'barewire.run';
/** Longer than any study: PID 1 of each container. The programs of a study are executed beside it. */
const IDLE = ['sleep', '2147483647'];

/** The directory of a server's files, mounted under the same path. */
export const sharedFolder = (name: string): string => `/run/barewire/${name}`;

export interface ContainerRequest {
  readonly run: string;
  readonly name: string;
  /** Options of `docker run` about the network. */
  readonly network: readonly string[];
  readonly why: string;
}

/** Creates a container that waits for programs: the generator, or nginx with a directory for its files. */
export function runContainer(
  { daemon, image, bundle, cpus }: ContainerEngine,
  { run, name, network, why }: ContainerRequest,
): Step[] {
  const folder = sharedFolder(name);
  const volume = bundle === null ? `${folder}:${folder}` : `${bundle}:${BUNDLE_MOUNT}:ro`;
  const share: Step = {
    why: "Create the directory of the server's files, which the container shares.",
    do: { kind: 'directory', path: folder },
    undo: { kind: 'directory', path: folder },
  };
  const args = [
    ...['run', '--detach', '--pull', 'never', '--name', name, '--label', `${DOCKER_LABEL}=${run}`],
    // Finds the processes of the container from outside.
    ...['--env', `BAREWIRE_CONTAINER=${name}`],
    ...network,
    // nginx and the generator raise their priority, as outside a container.
    ...['--cap-add', 'SYS_NICE', '--cpu-shares', String(CPU_SHARES)],
    ...(cpus.length === 0 ? [] : ['--cpuset-cpus', cpus.join(',')]),
    ...['--log-driver', 'none', '--volume', volume],
    ...['--entrypoint', IDLE[0] ?? '', image, ...IDLE.slice(1)],
  ];
  return [
    ...(bundle === null ? [share] : []),
    dockerStep(daemon, why, args, { kind: 'docker', object: 'container', name, run, daemon }),
  ];
}

/** A step that is one command of `docker`. */
export const dockerStep = (
  daemon: string | null,
  why: string,
  args: readonly string[],
  undo: Step['undo'],
): Step => ({
  why,
  do: {
    kind: 'command',
    tool: 'docker',
    netns: null,
    args: [...(daemon === null ? [] : ['--host', `unix://${daemon}`]), ...args],
  },
  undo,
});
