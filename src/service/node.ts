import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { Allocations, CniOperations, serveCni, type ContainerNetwork } from '../cni/index.js';
import { KernelNetwork, lockFile, replaceFile, type EditFailure, type KernelEdit } from '../machine/index.js';
import { userError, type BarewireError } from '../schema/index.js';
import {
  attributesOf,
  backendOf,
  containerMtuOf,
  ownObjects,
  selfOf,
  sitesOf,
  tunnelDevice,
  type NodeView,
  type TunnelMacs,
} from './desired.js';
import { attachmentOf, requireCompatible, type AttachmentName } from './attachments.js';
import { findDifference, type Conflict, type Marks } from './difference.js';
import { findExternal } from './external-interface.js';
import { Firewall } from './firewall.js';
import type { LeaseSnapshot } from './flannel/lease-table.js';
import type { Lease } from './flannel/lease.js';
import type { LeaseEvent } from './flannel/lease-event.js';
import { SubnetLeases, type SubnetLeasesOptions } from './flannel/leases.js';
import type { BackendConfig, NetworkConfig } from './flannel/network-config.js';
import { parseSubnetEnv, printSubnetEnv } from './flannel/subnet-env.js';
import { Peers, type UnusedPeer } from './peers.js';
import { AWS_VPC, openVpc, vpcConfigOf, VpcFollower } from './vpc.js';
import { drawTunnelMacs, readRecord, writeRecord } from './record.js';

/** How the node's objects are marked in the kernel. No other program of `rt_protos` has the number. */
export const MARKS: Marks = { alias: 'barewire node', protocol: 66 };

export interface NodeOptions {
  readonly leases: Omit<SubnetLeasesOptions, 'onEvent'>;
  readonly iface: string | null;
  readonly publicIp: string | null;
  readonly subnetFile: string;
  readonly ipMasq: boolean;
  readonly attachment: AttachmentName;
  /** Holds the record of the node, and of its containers. */
  readonly stateFolder: string;
  /** Where the CNI plugin hands over its requests. */
  readonly cniFolder: string;
}

/** What the agent reports while it runs. */
export type NodeEvent =
  | LeaseEvent
  | { readonly kind: 'ready'; readonly subnet: string; readonly backend: string; readonly peers: number }
  /** Someone else has changed the kernel's state: what was made again. */
  | { readonly kind: 'repaired'; readonly edits: readonly KernelEdit[] }
  | { readonly kind: 'rules-repaired' }
  | { readonly kind: 'refused'; readonly failures: readonly EditFailure[] }
  | { readonly kind: 'conflict'; readonly conflicts: readonly Conflict[] }
  | { readonly kind: 'config-changed'; readonly config: NetworkConfig };

/** What has happened since the agent was started. */
export interface NodeCounters {
  readonly repairedObjects: number;
  readonly refusedEdits: number;
  readonly checks: number;
}

/** What `barewire node status` shows. */
export interface NodeStatus extends NodeCounters {
  readonly subnet: string;
  readonly ipv6Subnet: string | null;
  readonly backend: string;
  readonly attachment: AttachmentName;
  readonly interface: string;
  readonly publicIp: string;
  readonly publicIpv6: string | null;
  /** Of containers. */
  readonly mtu: number;
  readonly leaseConfirmed: boolean;
  readonly peers: number;
  readonly unusedPeers: readonly UnusedPeer[];
  /** Where its rules are. */
  readonly rules: 'nftables' | 'iptables' | null;
  /** The last ones, each with its time. */
  readonly lastErrors: readonly string[];
}

/** As often as stock flanneld's host-gw backend. */
const CHECK_MS = 10_000;
/** Of the rules, the config and abandoned addresses: processes and requests. As often as stock flanneld checks its rules. */
const SLOW_CHECK_MS = 5_000;
/** The kernel's notifications wait in the socket. */
const POLL_MS = 100;

/**
 * A node of a flannel network: keeps its lease in etcd, and the kernel's state as its lease and those of its peers require. Disposing stops
 * the agent; the network stays as it is.
 */
export class NodeAgent implements AsyncDisposable {
  readonly #options: NodeOptions;
  readonly #report: (event: NodeEvent) => void;
  readonly #kernel = new KernelNetwork('/proc/thread-self/ns/net', MARKS.protocol);
  /** In the order of what was opened. */
  readonly #opened: AsyncDisposable[];
  readonly #leases: SubnetLeases;
  readonly #stopped = new AbortController();
  #view: NodeView;
  #peers: Peers;
  #firewall: Firewall;
  readonly #containers: CniOperations;
  readonly #vpc: VpcFollower | null;
  #vpcQueue: Promise<void> = Promise.resolve();
  #counters: NodeCounters = { repairedObjects: 0, refusedEdits: 0, checks: 0 };
  #lastErrors: string[] = [];
  #isWhole = false;
  #lastCheckMs = -Infinity;

  private constructor(
    options: NodeOptions,
    leases: SubnetLeases,
    view: NodeView,
    vpc: VpcFollower | null,
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
      return await NodeAgent.#open(options, opened, signal, onEvent);
    } catch (error) {
      await closeAll(opened);
      throw error;
    }
  }

  static async #open(
    options: NodeOptions,
    opened: AsyncDisposable[],
    signal: AbortSignal,
    onEvent: (event: NodeEvent) => void,
  ): Promise<NodeAgent> {
    let agent: NodeAgent | null = null;
    const leases = new SubnetLeases({
      ...options.leases,
      onEvent: (event) => {
        onEvent(event);
        if (event.kind === 'moved' && agent !== null) void agent.#moveTo(event.lease);
      },
    });
    opened.push(leases);
    const config = await leases.readConfig(signal);
    // Refuses what cannot run before anything is changed.
    backendOf(config.backend);
    requireCompatible(options.attachment, config.backend);
    using kernel = new KernelNetwork('/proc/thread-self/ns/net', MARKS.protocol);
    const external = findExternal(kernel.read(), { ...options, ipv6: config.ipv6 !== null });
    const record = await readRecord(options.stateFolder);
    const tunnelMacs = record?.tunnelMacs ?? { ...drawTunnelMacs(), ...macsOf(kernel, config.backend) };
    const vpc =
      config.backend.type === AWS_VPC
        ? new VpcFollower(await openVpc(config, external.ipv4.address, signal), vpcConfigOf(config))
        : null;
    if (vpc !== null) opened.push(asyncDisposable(() => vpc[Symbol.dispose]()));
    const wanted = {
      config,
      external,
      subnet: '',
      ipv6Subnet: null,
      tunnelMacs,
      attachment: options.attachment,
      vpc: vpc?.initial ?? null,
    };
    const previous = record ?? (await readSubnetFile(options.subnetFile));
    const lease = await leases.acquire(attributesOf(wanted), previous, signal);
    const view = { ...wanted, subnet: lease.subnet, ipv6Subnet: lease.ipv6Subnet };
    agent = new NodeAgent(options, leases, view, vpc, opened, onEvent);
    await agent.#join(signal);
    return agent;
  }

  get view(): NodeView {
    return this.#view;
  }

  get kernel(): KernelNetwork {
    return this.#kernel;
  }

  status(): NodeStatus {
    return {
      subnet: this.#view.subnet,
      ipv6Subnet: this.#view.ipv6Subnet,
      backend: this.#view.config.backend.type,
      attachment: this.#view.attachment,
      interface: this.#view.external.dev,
      publicIp: this.#view.external.ipv4.address,
      publicIpv6: this.#view.external.ipv6?.address ?? null,
      mtu: containerMtuOf(this.#view),
      leaseConfirmed: this.#leases.isConfirmed,
      peers: this.#peers.size,
      unusedPeers: this.#peers.unused(),
      rules: this.#firewall.backend,
      ...this.#counters,
      lastErrors: [...this.#lastErrors],
    };
  }

  /** Leaves the network: deletes the lease. The kernel's state is removed by `leaveKernel`. */
  async release(signal: AbortSignal): Promise<void> {
    this.#stopped.abort();
    await this.#leases.release(signal);
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#stopped.abort();
    await closeAll(this.#opened);
    this.#kernel[Symbol.dispose]();
  }

  async #join(signal: AbortSignal): Promise<void> {
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
    // Containers may be attached once the kernel is ready.
    await this.#writeFiles();
    this.#opened.push(this.#serveContainers());
    const timers = [
      setInterval(() => this.#poll(), POLL_MS),
      setInterval(() => {
        void this.#checkRules();
        void this.#checkConfig();
        void this.#checkVpc();
        void this.#containers.reclaim().catch((error: unknown) => this.#note(error));
      }, SLOW_CHECK_MS),
    ];
    this.#opened.push(asyncDisposable(() => timers.forEach((timer) => clearInterval(timer))));
    this.#report({
      kind: 'ready',
      subnet: this.#view.subnet,
      backend: this.#view.config.backend.type,
      peers: this.#peers.size,
    });
  }

  /** Frees what a runtime has never deleted, and serves the CNI plugin. */
  #serveContainers(): AsyncDisposable {
    return serveCni(this.#options.cniFolder, this.#containers, () =>
      this.#leases.isConfirmed ? null : 'the lease of this node is not confirmed by etcd',
    );
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

  async #moveTo({ subnet, ipv6Subnet }: Lease): Promise<void> {
    this.#view = { ...this.#view, subnet, ipv6Subnet };
    this.#peers.setView(this.#view);
    this.#firewall = firewallOf(this.#view, this.#options.ipMasq);
    this.#check();
    await this.#writeFiles().catch((error: unknown) => this.#note(error));
    await this.#checkRules();
  }

  #follow(snapshot: LeaseSnapshot): void {
    const { changed } = snapshot;
    const edits =
      changed === null || !this.#isWhole ? this.#peers.update(snapshot.leases) : this.#peers.change(changed);
    if (!this.#isWhole || (edits.length > 0 && this.#hasForeignChange())) this.#check();
    else if (edits.length > 0) this.#apply(edits);
  }

  #poll(): void {
    const isDue = performance.now() - this.#lastCheckMs >= CHECK_MS;
    if (this.#hasForeignChange() || isDue) this.#check();
  }

  /** Whether others have changed what is the node's, since the last call. */
  #hasForeignChange(): boolean {
    const events = this.#kernel.foreignEvents();
    const own = new Set(this.#ownIndexes);
    return (
      events?.some(
        ({ what, index, protocol, removed }) =>
          (what === 'route' && removed) ||
          protocol === MARKS.protocol ||
          (what !== 'route' && own.has(index)) ||
          // A link of our name that was made again has another index.
          (what === 'link' && removed),
      ) ?? true
    );
  }

  #ownIndexes: readonly number[] = [];

  /** Compares the whole state with the kernel's, and removes the difference. */
  #check(): void {
    this.#lastCheckMs = performance.now();
    this.#kernel.foreignEvents();
    const state = this.#kernel.read();
    const desired = [...ownObjects(this.#view), ...this.#peers.objects()];
    const { edits, conflicts } = findDifference(desired, state, MARKS);
    if (conflicts.length > 0) this.#report({ kind: 'conflict', conflicts });
    const changes = edits.filter((edit) => edit.verb === 'change' || edit.object.kind !== 'setting');
    if (this.#isWhole && changes.length > 0) {
      this.#report({ kind: 'repaired', edits: changes });
      this.#count({ repairedObjects: changes.length });
    }
    this.#apply(edits);
    this.#isWhole = true;
    this.#count({ checks: 1 });
    const links = this.#kernel.links();
    this.#ownIndexes = desired.flatMap((object) =>
      object.kind === 'link' ? [links.get(object.name)?.index ?? 0] : [],
    );
  }

  #apply(edits: readonly KernelEdit[]): void {
    const failures = this.#kernel.apply(edits);
    // The notifications of the own edits: those of forwarding entries do not name their sender.
    this.#kernel.foreignEvents();
    if (failures.length === 0) return;
    this.#count({ refusedEdits: failures.length });
    for (const { reason } of failures.slice(0, 3)) this.#note(new Error(reason));
    this.#report({ kind: 'refused', failures });
  }

  async #checkRules(): Promise<void> {
    try {
      const wasWritten = this.#firewall.backend !== null;
      if ((await this.#firewall.check()) > 0 && wasWritten) this.#report({ kind: 'rules-repaired' });
    } catch (error) {
      this.#note(error);
    }
  }

  /** Keeps the node's route in the VPC, and publishes its place. */
  #checkVpc(): Promise<void> {
    return (this.#vpcQueue = this.#vpcQueue.then(async () => {
      const before = this.#view.vpc;
      if (this.#vpc === null || before === null) return;
      try {
        const outcome = await this.#vpc.check(selfOf(this.#view), before, this.#peers.leases());
        if (outcome === null) return;
        for (const problem of outcome.problems) this.#note(problem);
        this.#view = { ...this.#view, vpc: outcome.view };
        if (outcome.hasMoved) await this.#leases.update(attributesOf(this.#view), this.#stopped.signal);
        this.#peers.setView(this.#view);
        this.#check();
      } catch (error) {
        if (!this.#stopped.signal.aborted) this.#note(error);
      }
    }));
  }

  /** Follows a change of the config at once, where stock flanneld waits for its restart. */
  async #checkConfig(): Promise<void> {
    const signal = this.#stopped.signal;
    try {
      const config = await this.#leases.readConfig(signal);
      if (JSON.stringify(config) === JSON.stringify(this.#view.config)) return;
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
      const lease = await this.#leases.acquire(attributesOf(this.#view), { subnet, ipv6Subnet }, signal);
      await this.#moveTo(lease);
    } catch (error) {
      if (!signal.aborted) this.#note(error);
    }
  }

  #count(more: Partial<NodeCounters>): void {
    const { repairedObjects, refusedEdits, checks } = this.#counters;
    this.#counters = {
      repairedObjects: repairedObjects + (more.repairedObjects ?? 0),
      refusedEdits: refusedEdits + (more.refusedEdits ?? 0),
      checks: checks + (more.checks ?? 0),
    };
  }

  #note(error: unknown): void {
    const text = error instanceof Error ? error.message : String(error);
    this.#lastErrors = [...this.#lastErrors, `${new Date().toISOString()} ${text}`].slice(-10);
    if (isReported(error)) this.#report({ kind: 'failed', error });
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

/** Of the devices that flanneld left: peers know their MACs. */
function macsOf(kernel: KernelNetwork, { vni }: BackendConfig): Partial<TunnelMacs> {
  const links = kernel.links();
  const macOf = (version: 4 | 6): string | null => {
    const link = links.get(tunnelDevice(version, vni));
    return link?.type === 'vxlan' ? link.mac : null;
  };
  const [ipv4, ipv6] = [macOf(4), macOf(6)];
  return { ...(ipv4 !== null && { ipv4 }), ...(ipv6 !== null && { ipv6 }) };
}

const isReported = (error: unknown): error is BarewireError =>
  error instanceof Error && 'code' in error && 'hint' in error;

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

/** The subnet that the node had before, also under stock flanneld. */
async function readSubnetFile(path: string) {
  try {
    return parseSubnetEnv(await readFile(path, 'utf8'));
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ENOENT') return null;
    throw error;
  }
}
