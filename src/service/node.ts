import { join } from 'node:path';
import { Allocations, CniOperations, serveCni, type ContainerNetwork } from '../cni/index.js';
import { KernelNetwork, lockFile, replaceFile } from '../machine/index.js';
import { BarewireError, userError } from '../schema/index.js';
import { attachmentOf, requireCompatible } from './attachments.js';
import {
  attributesOf,
  backendOf,
  containerMtuOf,
  ownObjects,
  selfOf,
  sitesOf,
  type NodeView,
} from './desired.js';
import { Firewall } from './firewall.js';
import type { LeaseSnapshot } from './flannel/lease-table.js';
import type { Lease } from './flannel/lease.js';
import { SubnetLeases } from './flannel/leases.js';
import { printSubnetEnv } from './flannel/subnet-env.js';
import { joinNetwork, type Joined } from './join.js';
import { KernelKeeper, MARKS } from './kernel-keeper.js';
import type { NodeEvent, NodeOptions, NodeStatus } from './node-types.js';
import { Peers } from './peers.js';
import { writeRecord } from './record.js';
import { AWS_VPC, type VpcFollower } from './vpc.js';

/** The kernel's notifications wait in the socket. */
const POLL_MS = 100;
/** Of the rules, the config, the VPC and abandoned addresses: processes and requests. As often as stock flanneld checks its rules. */
const SLOW_CHECK_MS = 5_000;
/** While etcd is away, the other checks go on. */
const CONFIG_LIMIT_MS = 3_000;
const KEPT_ERRORS = 10;

/**
 * A node of a flannel network: keeps its lease in etcd, and the kernel's state as its lease and those of its peers require. Disposing stops
 * the agent; the network stays as it is.
 */
export class NodeAgent implements AsyncDisposable {
  readonly #options: NodeOptions;
  readonly #report: (event: NodeEvent) => void;
  readonly #kernel = new KernelNetwork('/proc/thread-self/ns/net', MARKS.protocol);
  readonly #keeper: KernelKeeper;
  /** In the order of what was opened. */
  readonly #opened: AsyncDisposable[];
  readonly #leases: SubnetLeases;
  readonly #stopped = new AbortController();
  readonly #peers: Peers;
  readonly #containers: CniOperations;
  readonly #vpc: VpcFollower | null;
  #view: NodeView;
  #firewall: Firewall;
  /** Checks that wait for others: of the rules, the config and the VPC, one after the other. */
  #slowCheck: Promise<void> | null = null;
  #lastErrors: string[] = [];

  private constructor(
    options: NodeOptions,
    leases: SubnetLeases,
    { view, vpc }: Joined,
    opened: AsyncDisposable[],
    report: (event: NodeEvent) => void,
  ) {
    this.#options = options;
    this.#leases = leases;
    this.#view = view;
    this.#vpc = vpc;
    this.#report = report;
    this.#opened = opened;
    this.#peers = new Peers(view);
    this.#firewall = firewallOf(view, options.ipMasq);
    this.#keeper = new KernelKeeper(
      this.#kernel,
      () => [...ownObjects(this.#view), ...this.#peers.objects()],
      (event) => {
        if (event.kind === 'refused')
          for (const { reason } of event.failures.slice(0, 3)) this.#note(new Error(reason));
        report(event);
      },
    );
    this.#containers = new CniOperations(
      () => this.#containerNetwork(),
      new Allocations(join(options.stateFolder, 'attachments.json')),
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
    try {
      let agent: NodeAgent | null = null;
      const leases = new SubnetLeases({
        ...options.leases,
        onEvent: (event) => {
          onEvent(event);
          if (event.kind === 'moved' && agent !== null) void agent.#moveTo(event.lease);
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
      await closeAll(opened);
      throw error;
    }
  }

  status(): NodeStatus {
    const { config, external, attachment, subnet, ipv6Subnet } = this.#view;
    return {
      subnet,
      ipv6Subnet,
      backend: config.backend.type,
      attachment,
      interface: external.dev,
      publicIp: external.ipv4.address,
      publicIpv6: external.ipv6?.address ?? null,
      mtu: containerMtuOf(this.#view),
      leaseConfirmed: this.#leases.isConfirmed,
      peers: this.#peers.size,
      unusedPeers: this.#peers.unused(),
      rules: this.#firewall.backend,
      ...this.#keeper.counters,
      lastErrors: [...this.#lastErrors],
    };
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#stopped.abort();
    await this.#slowCheck;
    await closeAll(this.#opened);
    this.#kernel[Symbol.dispose]();
  }

  /** Makes the kernel's state by the first snapshot of leases, then lets containers be attached. */
  async #serve(signal: AbortSignal): Promise<void> {
    await new Promise<void>((resolve, reject) => {
      signal.addEventListener('abort', () => reject(signal.reason as Error), { once: true });
      const watch = this.#leases.watch((snapshot) => {
        this.#follow(snapshot);
        resolve();
      });
      this.#opened.push(asyncDisposable(() => watch[Symbol.dispose]()));
    });
    await this.#checkVpc();
    await this.#checkRules();
    await this.#writeFiles();
    const { cniFolder } = this.#options;
    const unavailable = (): string | null =>
      this.#leases.isConfirmed ? null : 'the lease of this node is not confirmed by etcd';
    this.#opened.push(serveCni(cniFolder, this.#containers, unavailable));
    const polling = setInterval(() => this.#keeper.poll(), POLL_MS);
    const checking = setInterval(() => this.#checkSlowly(), SLOW_CHECK_MS);
    for (const timer of [polling, checking]) this.#opened.push(asyncDisposable(() => clearInterval(timer)));
    const { subnet, config } = this.#view;
    this.#report({ kind: 'ready', subnet, backend: config.backend.type, peers: this.#peers.size });
  }

  #containerNetwork(): ContainerNetwork {
    return {
      attachment: attachmentOf(this.#view.attachment),
      sites: sitesOf(this.#view).map((view) => ({ view, subnet: view.host.subnet ?? '' })),
      mtu: containerMtuOf(this.#view),
      kernel: this.#kernel,
    };
  }

  async #writeFiles(): Promise<void> {
    const { config, subnet, ipv6Subnet, external, tunnelMacs, attachment } = this.#view;
    const { stateFolder, subnetFile, ipMasq, leases } = this.#options;
    await writeRecord(stateFolder, {
      record: 1,
      prefix: leases.prefix ?? '/coreos.com/network',
      subnet,
      ipv6Subnet,
      publicIp: external.ipv4.address,
      tunnelMacs,
      subnetFile,
      attachment,
    });
    const env = printSubnetEnv({
      network: config.ipv4.network,
      subnet,
      ipv6Network: config.ipv6?.network ?? null,
      ipv6Subnet,
      mtu: containerMtuOf(this.#view),
      ipMasq,
    });
    await replaceFile(subnetFile, env);
  }

  #follow(snapshot: LeaseSnapshot): void {
    const { changed } = snapshot;
    const isWhole = changed === null || !this.#keeper.isWhole;
    this.#keeper.follow(isWhole ? this.#peers.update(snapshot.leases) : this.#peers.change(changed));
  }

  async #moveTo({ subnet, ipv6Subnet }: Lease): Promise<void> {
    this.#view = { ...this.#view, subnet, ipv6Subnet };
    this.#peers.setView(this.#view);
    this.#firewall = firewallOf(this.#view, this.#options.ipMasq);
    this.#keeper.check();
    await this.#writeFiles().catch((error: unknown) => this.#note(error));
    await this.#checkRules();
  }

  /** While one waits for etcd or EC2, no other begins. */
  #checkSlowly(): void {
    this.#slowCheck ??= (async () => {
      await this.#checkRules();
      await this.#noting(() => this.#containers.reclaim());
      await this.#noting(() => this.#checkConfig());
      await this.#checkVpc();
    })().finally(() => (this.#slowCheck = null));
  }

  async #checkRules(): Promise<void> {
    await this.#noting(async () => {
      const wasWritten = this.#firewall.backend !== null;
      if ((await this.#firewall.check()) > 0 && wasWritten) this.#report({ kind: 'rules-repaired' });
    });
  }

  /** Keeps the node's route in the VPC, and publishes its place. */
  async #checkVpc(): Promise<void> {
    const before = this.#view.vpc;
    const follower = this.#vpc;
    if (follower === null || before === null) return;
    await this.#noting(async () => {
      const outcome = await follower.check(selfOf(this.#view), before, this.#peers.leases());
      if (outcome === null) return;
      for (const problem of outcome.problems) this.#note(problem);
      this.#view = { ...this.#view, vpc: outcome.view };
      if (outcome.hasMoved) await this.#leases.update(attributesOf(this.#view), this.#stopped.signal);
      this.#peers.setView(this.#view);
      this.#keeper.check();
    });
  }

  /** Follows a change of the config at once, where stock flanneld waits for its restart. */
  async #checkConfig(): Promise<void> {
    const { signal } = this.#stopped;
    const config = await this.#leases.readConfig(
      AbortSignal.any([signal, AbortSignal.timeout(CONFIG_LIMIT_MS)]),
    );
    // The same object is read again while the content stays the same.
    if (config === this.#view.config) return;
    backendOf(config.backend);
    requireCompatible(this.#view.attachment, config.backend);
    // It needs another client of EC2, or none.
    if (this.#vpc !== null || config.backend.type === AWS_VPC)
      throw userError(
        'The flannel config has changed, and one of its backends is aws-vpc.',
        'Restart the agent.',
      );
    this.#report({ kind: 'config-changed', config });
    this.#view = { ...this.#view, config };
    const { subnet, ipv6Subnet } = this.#view;
    await this.#moveTo(await this.#leases.acquire(attributesOf(this.#view), { subnet, ipv6Subnet }, signal));
  }

  /** A check that fails is repeated: its error is kept for `barewire node status`. */
  async #noting(work: () => Promise<unknown>): Promise<void> {
    try {
      await work();
    } catch (error) {
      // etcd is away, which the leases report.
      const isTimeout = error instanceof Error && /^(?:Abort|Timeout)Error$/.test(error.name);
      if (!isTimeout) this.#note(error);
    }
  }

  #note(error: unknown): void {
    const text = error instanceof Error ? error.message : String(error);
    this.#lastErrors = [...this.#lastErrors, `${new Date().toISOString()} ${text}`].slice(-KEPT_ERRORS);
    if (error instanceof BarewireError) this.#report({ kind: 'failed', error });
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

const firewallOf = ({ config, subnet, ipv6Subnet }: NodeView, masquerades: boolean): Firewall =>
  new Firewall(
    [
      { version: 4 as const, network: config.ipv4.network, subnet },
      ...(config.ipv6 === null || ipv6Subnet === null
        ? []
        : [{ version: 6 as const, network: config.ipv6.network, subnet: ipv6Subnet }]),
    ],
    masquerades,
  );
