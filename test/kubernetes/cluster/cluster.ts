import { join } from 'node:path';
import type { Api } from './api.js';
import type { Daemon } from './daemon.js';
import { IMAGE_NAMES } from './images.js';
import { inNamespacesOf, type Namespaces } from './namespaces.js';
import { output, succeed, type CommandOutput } from './run.js';
import { waitUntil } from './wait.js';

export type NodeIndex = 0 | 1;

export type DaemonName =
  | 'etcd'
  | 'kube-apiserver'
  | 'kube-controller-manager'
  | 'kube-scheduler'
  | `${'containerd' | 'kubelet' | 'kube-proxy' | 'flanneld'}-${NodeIndex}`;

export interface ClusterParts {
  readonly namespaces: Namespaces;
  readonly nodeNames: readonly [string, string];
  /** The first process of each node. */
  readonly nodePids: readonly number[];
  readonly daemons: ReadonlyMap<DaemonName, Daemon>;
  readonly api: Api;
  readonly kubeconfig: string;
  readonly kubectlDir: string;
}

export class Cluster implements AsyncDisposable {
  readonly nodeNames: readonly [string, string];
  /** The path of the administrator's kubeconfig with the context `barewire-test`, whose server is a port of 127.0.0.1. */
  readonly kubeconfig: string;
  /** A folder with `kubectl`, for the PATH. */
  readonly kubectlDir: string;
  readonly #parts: ClusterParts;

  constructor(parts: ClusterParts) {
    this.nodeNames = parts.nodeNames;
    this.kubeconfig = parts.kubeconfig;
    this.kubectlDir = parts.kubectlDir;
    this.#parts = parts;
  }

  /**
   * Process ids of this machine. `containerd-0` is the first node's. A SIGKILL to `supervisor` ends the whole cluster.
   */
  get pids(): Readonly<Partial<Record<DaemonName | 'supervisor', number>>> {
    const daemons = [...this.#parts.daemons].map(([name, daemon]) => [name, daemon.pid] as const);
    return { supervisor: this.#parts.namespaces.supervisor, ...Object.fromEntries(daemons) };
  }

  /** Runs kubectl as the administrator. */
  kubectl(args: readonly string[], options: { readonly input?: string } = {}): Promise<CommandOutput> {
    const argv = [join(this.kubectlDir, 'kubectl'), `--kubeconfig=${this.kubeconfig}`, ...args];
    return output(argv, options.input);
  }

  /** Runs a program of this machine in all namespaces of a node. */
  onNode(index: NodeIndex, argv: readonly string[]): Promise<CommandOutput> {
    return output(inNamespacesOf(this.#parts.nodePids[index] ?? 0, argv));
  }

  /** `KIND/NAMESPACE/NAME` or `KIND/NAME` of every object but events, sorted. */
  listObjects(): Promise<string[]> {
    return this.#parts.api.listObjects();
  }

  /** Gives the image of node or nginx one more name on both nodes. */
  async addImage(name: string, kind: 'node' | 'nginx'): Promise<void> {
    await this.#ctrOnBoth(['images', 'tag', '--force', IMAGE_NAMES[kind], name]);
  }

  /** Imports a docker-archive on both nodes. */
  async importImage(archive: string): Promise<void> {
    await this.#ctrOnBoth(['images', 'import', archive]);
  }

  async #ctrOnBoth(args: readonly string[]): Promise<void> {
    const argv = ['ctr', '--namespace=k8s.io', ...args];
    await Promise.all(this.#parts.nodePids.map((pid) => succeed(inNamespacesOf(pid, argv))));
  }

  /** Kills a daemon if it runs, and starts it again. */
  async restart(name: DaemonName): Promise<void> {
    await this.#daemon(name).restart();
  }

  /** Resolves when it is ready again. */
  async restartApiServer(): Promise<void> {
    await this.restart('kube-apiserver');
    await waitUntil('the API server is ready', [this.#daemon('kube-apiserver')], async () => {
      const { status } = await this.#parts.api.request('/readyz');
      return status === 200;
    });
  }

  #daemon(name: DaemonName): Daemon {
    const daemon = this.#parts.daemons.get(name);
    if (daemon === undefined) throw new Error(`The test cluster has no ${name}`);
    return daemon;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#parts.api[Symbol.dispose]();
    await this.#parts.namespaces[Symbol.asyncDispose]();
  }
}
