import { existsSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { connectAgent, freshRunId, openMachine, type Machine } from '../../machine/index.js';
import type { Step } from '../../schema/index.js';
import { CONTAINER_SCRIPT, parseState, STATE_SCRIPT, type NamespaceState } from './kernel-state.js';

/** Mounts an empty file system on each argument up to `--`, and executes the rest. */
const PRIVATELY =
  'while [ "$1" != -- ]; do mount -t tmpfs -o mode=755 barewire-cni "$1" || exit; shift; done; shift; exec "$@"';

/** Where the plugins of the CNI project keep their state. */
const STATE_DIRECTORIES = ['/var/lib/cni', '/run/cni'];

export interface LabOptions {
  /** The name of the host namespace's interface to the outside. */
  readonly uplink: string;
  /** More directories of plugins' state. */
  readonly stateDirectories: readonly string[];
  readonly signal?: AbortSignal;
}

/** A container: an empty network namespace. Disposing removes it, and those that were created later. */
export interface LabContainer extends AsyncDisposable {
  readonly name: string;
  /** The path of its namespace, the value of CNI_NETNS. */
  readonly path: string;
}

/** Namespaces of this machine in which plugins are executed: a host with an uplink, and containers. */
export interface Lab extends AsyncDisposable {
  readonly run: string;
  /** The host namespace. Programs that run there see empty state directories of their own. */
  readonly host: Machine;
  /** A directory that only the host namespace sees. */
  readonly scratch: string;
  readonly stateDirectories: readonly string[];
  createContainers(count: number): Promise<readonly LabContainer[]>;
  /** Runs `ip` in a container. */
  ip(container: LabContainer, why: string, args: readonly string[]): Promise<void>;
  readHost(): Promise<NamespaceState>;
  /** The links of the host, which is faster than its whole state. */
  readLinks(): Promise<NamespaceState['links']>;
  readContainer(container: LabContainer): Promise<NamespaceState>;
}

/**
 * Creates the namespaces by journaled steps, and starts an agent in the host namespace.
 *
 * @throws BarewireError `not-root`, `step-failed`, `agent-lost`
 */
export async function openLab({ uplink, stateDirectories, signal }: LabOptions): Promise<Lab> {
  const run = freshRunId();
  const names = { host: `bw-${run}-host`, outside: `bw-${run}-outside` };
  const scratch = `/run/barewire/${run}-cni`;
  const directories = [...new Set([...STATE_DIRECTORIES, ...stateDirectories])];
  signal?.throwIfAborted();
  const machine = await openMachine({ run, host: 'lab', netns: null });
  try {
    await machine.apply([...directorySteps(run, scratch, directories), ...hostSteps(names, uplink)]);
    const prefix = [
      'ip',
      'netns',
      'exec',
      names.host,
      'sh',
      '-c',
      PRIVATELY,
      'sh',
      scratch,
      ...directories,
      '--',
    ];
    const identity = { run, host: 'host', netns: names.host };
    const host = await connectAgent(identity, { prefix, ...(signal === undefined ? {} : { signal }) });
    return new NamespaceLab({ run, machine, host, scratch, directories });
  } catch (error) {
    await machine[Symbol.asyncDispose]();
    throw error;
  }
}

/**
 * The mount points. One that the machine lacks is created as the parent of a directory of this run, because
 * the undo removes a parent only while it is empty: a container runtime may begin to use it in between.
 */
const directorySteps = (run: string, scratch: string, state: readonly string[]): Step[] =>
  [scratch, ...state.filter((path) => !existsSync(path)).map((path) => join(path, `.barewire-${run}`))].map(
    (path): Step => ({
      why: `Create a mount point: ${path === scratch ? path : dirname(path)}.`,
      do: { kind: 'directory', path },
      undo: { kind: 'directory', path },
    }),
  );

/** Two namespaces, and a veth pair between them: the uplink, which macvlan and ipvlan use as their master. */
function hostSteps({ host, outside }: Readonly<Record<'host' | 'outside', string>>, uplink: string): Step[] {
  const far = ['peer', 'name', uplink, 'netns', outside];
  return [
    ...[host, outside].map(namespace),
    ip(host, 'Create the uplink: a veth pair.', ['link', 'add', uplink, 'type', 'veth', ...far]),
    ...[host, outside].flatMap((netns, index) => [
      ip(netns, 'Enable the loopback interface.', ['link', 'set', 'lo', 'up']),
      ip(netns, "Add the uplink's address.", ['addr', 'add', `198.18.0.${index + 1}/24`, 'dev', uplink]),
      ip(netns, 'Enable the uplink.', ['link', 'set', uplink, 'up']),
    ]),
    ip(host, 'Add a default route.', ['route', 'add', 'default', 'via', '198.18.0.2']),
  ];
}

const namespace = (name: string): Step => ({
  ...ip(null, 'Create a network namespace.', ['netns', 'add', name]),
  undo: { kind: 'netns', name },
});

const ip = (netns: string | null, why: string, args: readonly string[]): Step => ({
  why,
  do: { kind: 'command', tool: 'ip', netns, args },
  undo: null,
});

interface Parts {
  readonly run: string;
  readonly machine: Machine;
  readonly host: Machine;
  readonly scratch: string;
  readonly directories: readonly string[];
}

class NamespaceLab implements Lab {
  readonly run: string;
  readonly host: Machine;
  readonly scratch: string;
  readonly stateDirectories: readonly string[];
  readonly #machine: Machine;
  #containers = 0;

  constructor({ run, machine, host, scratch, directories }: Parts) {
    this.run = run;
    this.host = host;
    this.scratch = scratch;
    this.stateDirectories = directories;
    this.#machine = machine;
  }

  async createContainers(count: number): Promise<readonly LabContainer[]> {
    const names = Array.from({ length: count }, () => `bw-${this.run}-c${++this.#containers}`);
    const { mark } = await this.#machine.apply(names.map(namespace));
    return names.map((name, index) => {
      let exists = true;
      return {
        name,
        path: `/run/netns/${name}`,
        [Symbol.asyncDispose]: async () => {
          if (exists) await this.#machine.undo(mark + index);
          exists = false;
        },
      };
    });
  }

  async ip({ name }: LabContainer, why: string, args: readonly string[]): Promise<void> {
    await this.#machine.apply([ip(name, why, args)]);
  }

  async readHost(): Promise<NamespaceState> {
    const argv = ['sh', '-c', STATE_SCRIPT, 'sh', ...this.stateDirectories];
    return parseState((await this.host.run(argv)).stdout);
  }

  async readLinks(): Promise<NamespaceState['links']> {
    return parseState((await this.host.run(['sh', '-c', CONTAINER_SCRIPT])).stdout).links;
  }

  async readContainer({ name }: LabContainer): Promise<NamespaceState> {
    return parseState((await this.host.run(['sh', '-c', CONTAINER_SCRIPT], { netns: name })).stdout);
  }

  async [Symbol.asyncDispose](): Promise<void> {
    try {
      await this.host[Symbol.asyncDispose]();
    } finally {
      await this.#machine[Symbol.asyncDispose]();
    }
  }
}
