import { join } from 'node:path';
import { Allocations, CniOperations, serveCni, SLOT_FILES, type ContainerNetwork } from '../cni/index.js';
import { KernelNetwork, lockFile, requireSlotsFolder } from '../machine/index.js';
import { attachmentOf } from './attachments.js';
import { containerMtuOf, sitesOf } from './desired.js';
import { ErrorLog } from './error-log.js';
import type { LeaseEvent } from './flannel/lease-event.js';
import { SubnetLeases } from './flannel/leases.js';
import { joinNetwork, type Joined } from './join.js';
import { MARKS } from './kernel-keeper.js';
import { NodeState } from './node-state.js';
import type { NodeEvent, NodeOptions, NodeStatus } from './node-types.js';
import { allocationsPath } from './record.js';

/** Of the kernel's notifications, which its socket buffers. */
const POLL_MS = 100;
/** Of the config, the VPC and abandoned addresses: processes and requests. */
const SLOW_CHECK_MS = 5_000;

/**
 * A node of a flannel network: keeps its lease in etcd, and the kernel's state as its lease and those of its peers require. Disposing stops
 * the agent; the network stays as it is.
 */
export class NodeAgent implements AsyncDisposable {
  readonly #options: NodeOptions;
  readonly #report: (event: NodeEvent) => void;
  readonly #kernel = new KernelNetwork('/proc/thread-self/ns/net', MARKS.protocol);
  /** In the order in which they were opened. */
  readonly #opened: AsyncDisposable[];
  readonly #leases: SubnetLeases;
  readonly #stopped = new AbortController();
  readonly #state: NodeState;
  readonly #containers: CniOperations;
  readonly #errors: ErrorLog;
  /** Checks that wait for processes, etcd or EC2. */
  readonly #slowChecks = new Map<string, Promise<void>>();

  private constructor(
    options: NodeOptions,
    leases: SubnetLeases,
    joined: Joined,
    opened: AsyncDisposable[],
    report: (event: NodeEvent) => void,
  ) {
    this.#options = options;
    this.#leases = leases;
    this.#report = report;
    this.#opened = opened;
    this.#errors = new ErrorLog(report);
    const { signal } = this.#stopped;
    const errors = this.#errors;
    this.#state = new NodeState({
      options,
      leases,
      joined,
      kernel: this.#kernel,
      hostRoutes: () => this.#containers.hostRoutes(),
      errors,
      report,
      signal,
    });
    this.#containers = new CniOperations(
      () => this.#containerNetwork(),
      new Allocations(allocationsPath(options.stateFolder)),
    );
  }

  /**
   * Joins the network: gets a lease, makes the kernel's state, and writes the subnet file. Waits for etcd.
   *
   * @throws BarewireError `bad-input` for the config or the interface, `locked` when an agent runs already
   */
  static async start(
    options: NodeOptions,
    signal: AbortSignal,
    onEvent: (event: NodeEvent) => void,
  ): Promise<NodeAgent> {
    const opened: AsyncDisposable[] = [await lockFile(join(options.stateFolder, 'lock'), 'node')];
    let agent: NodeAgent | null = null;
    try {
      requireSlotsFolder(options.cniFolder, SLOT_FILES);
      const leases = new SubnetLeases({
        ...options.leases,
        onEvent: (event) => {
          onEvent(event);
          if (agent !== null) agent.#onLeaseEvent(event);
        },
      });
      opened.push(leases);
      const joined = await joinNetwork(leases, options, signal);
      const { vpc } = joined;
      if (vpc !== null) opened.push(asyncDisposable(() => vpc[Symbol.dispose]()));
      agent = new NodeAgent(options, leases, joined, opened, onEvent);
      await agent.#serve(signal);
      return agent;
    } catch (error) {
      if (agent === null) await closeAll(opened);
      else await agent[Symbol.asyncDispose]();
      throw error;
    }
  }

  status(): NodeStatus {
    const { view, peers, ignoredLeases, keeper, rules } = this.#state;
    const { config, external, attachment, subnet, ipv6Subnet } = view;
    return {
      subnet,
      ipv6Subnet,
      backend: config.backend.type,
      attachment,
      interface: external.dev,
      publicIp: external.publicIp,
      publicIpv6: external.publicIpv6,
      mtu: containerMtuOf(view),
      leaseConfirmed: this.#leases.isConfirmed,
      peers: peers.size,
      unusedPeers: peers.unused(),
      ignoredLeases,
      rules,
      ...keeper.counters,
      lastErrors: [...this.#errors.last],
    };
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#stopped.abort();
    await Promise.all(this.#slowChecks.values());
    await this.#state.idle();
    await closeAll(this.#opened);
    this.#kernel[Symbol.dispose]();
  }

  /** Makes the kernel's state by the first snapshot of leases, then lets containers be attached. */
  async #serve(signal: AbortSignal): Promise<void> {
    const state = this.#state;
    await new Promise<void>((resolve, reject) => {
      signal.addEventListener('abort', () => reject(signal.reason as Error), { once: true });
      const watch = this.#leases.watch((snapshot) => {
        state.follow(snapshot);
        resolve();
      });
      this.#opened.push(asyncDisposable(() => watch[Symbol.dispose]()));
    });
    await state.checkVpc();
    await state.checkRules();
    await state.writeFiles();
    const { cniFolder, rulesCheckMs } = this.#options;
    const unavailable = (): string | null =>
      this.#leases.isConfirmed ? null : 'the lease of this node is not confirmed by etcd';
    this.#opened.push(serveCni(cniFolder, this.#containers, unavailable));
    const timers = [
      setInterval(() => state.keeper.poll(), POLL_MS),
      setInterval(() => this.#checkSlowly('rules', () => state.checkRules()), rulesCheckMs),
      setInterval(() => this.#checkSlowly('network', () => this.#checkNetwork()), SLOW_CHECK_MS),
    ];
    for (const timer of timers) this.#opened.push(asyncDisposable(() => clearInterval(timer)));
    const { subnet, config } = state.view;
    this.#report({ kind: 'ready', subnet, backend: config.backend.type, peers: state.peers.size });
  }

  #onLeaseEvent(event: LeaseEvent): void {
    if (event.kind === 'moved') void this.#state.moveTo(event.lease);
    // The key is under another etcd lease, which the record names.
    if (event.kind === 'reclaimed') void this.#errors.noting(() => this.#state.writeFiles());
  }

  #containerNetwork(): ContainerNetwork {
    const { view } = this.#state;
    return {
      attachment: attachmentOf(view.attachment),
      sites: sitesOf(view).map((site) => ({ view: site, subnet: site.host.subnet ?? '' })),
      mtu: containerMtuOf(view),
      kernel: this.#kernel,
    };
  }

  async #checkNetwork(): Promise<void> {
    await this.#errors.noting(() => this.#containers.reclaim());
    await this.#errors.noting(() => this.#state.checkConfig());
    await this.#state.checkVpc();
  }

  /** Starts a check unless the last one of its name still runs. */
  #checkSlowly(name: string, work: () => Promise<void>): void {
    if (this.#slowChecks.has(name)) return;
    this.#slowChecks.set(
      name,
      work().finally(() => this.#slowChecks.delete(name)),
    );
  }
}

const asyncDisposable = (dispose: () => void): AsyncDisposable => ({
  [Symbol.asyncDispose]: () => {
    dispose();
    return Promise.resolve();
  },
});

async function closeAll(opened: AsyncDisposable[]): Promise<void> {
  for (const one of opened.splice(0).reverse()) await one[Symbol.asyncDispose]();
}
