import { isDeepStrictEqual } from 'node:util';
import type { KernelState } from '../linux/index.js';
import { replaceFile, type KernelNetwork } from '../machine/index.js';
import { userError, type KernelObject } from '../schema/index.js';
import { requireCompatible } from './attachments.js';
import { requireBackend } from './backends.js';
import { attributesOf, containerMtuOf, ownObjects, selfOf, type NodeView } from './desired.js';
import type { ErrorLog } from './error-log.js';
import { refreshExternal } from './external-interface.js';
import { Firewall } from './firewall.js';
import type { IgnoredLease, LeaseSnapshot } from './flannel/lease-table.js';
import type { Lease } from './flannel/lease.js';
import type { SubnetLeases } from './flannel/leases.js';
import { Queue } from './flannel/queue.js';
import { printSubnetEnv } from './flannel/subnet-env.js';
import type { Joined } from './join.js';
import { KernelKeeper, type Desired } from './kernel-keeper.js';
import { masqueradeScopes } from './masquerade.js';
import type { NodeEvent, NodeOptions } from './node-types.js';
import { openNodeKey } from './node-key.js';
import { Peers } from './peers.js';
import { saveRecord } from './record.js';
import { AWS_VPC, type VpcFollower } from './vpc.js';

/** The other checks must not wait longer for etcd. */
const CONFIG_LIMIT_MS = 3_000;

export interface NodeStateOptions {
  readonly options: NodeOptions;
  readonly leases: SubnetLeases;
  readonly joined: Joined;
  readonly kernel: KernelNetwork;
  /** Routes to containers that have no bridge. */
  readonly hostRoutes: () => readonly KernelObject[];
  readonly errors: ErrorLog;
  readonly report: (event: NodeEvent) => void;
  /** Aborts requests to etcd. */
  readonly signal: AbortSignal;
}

/** The view of a node, and the kernel's state, rules, files and lease that follow from it. */
export class NodeState {
  readonly peers: Peers;
  readonly keeper: KernelKeeper;
  readonly #options: NodeOptions;
  readonly #leases: SubnetLeases;
  readonly #vpc: VpcFollower | null;
  readonly #errors: ErrorLog;
  readonly #report: (event: NodeEvent) => void;
  readonly #signal: AbortSignal;
  /** Writes of the files, one after the other. */
  readonly #writes = new Queue();
  /** Checks of the rules: two at a time would take each other's writes for changes by others. */
  readonly #ruleChecks = new Queue();
  readonly #hostRoutes: NodeStateOptions['hostRoutes'];
  readonly #firewall: Firewall;
  #view: NodeView;
  #snapshot: LeaseSnapshot | null = null;

  constructor({ options, leases, joined, kernel, hostRoutes, errors, report, signal }: NodeStateOptions) {
    this.#options = options;
    this.#leases = leases;
    this.#view = joined.view;
    this.#vpc = joined.vpc;
    this.#errors = errors;
    this.#report = report;
    this.#signal = signal;
    this.peers = new Peers(joined.view);
    this.#hostRoutes = hostRoutes;
    this.#firewall = new Firewall(options.ipMasq);
    this.keeper = new KernelKeeper(
      kernel,
      (state) => this.#desired(state),
      (event) => {
        if (event.kind === 'refused')
          for (const { reason } of event.failures.slice(0, 3)) errors.note(new Error(reason));
        report(event);
      },
    );
  }

  get view(): NodeView {
    return this.#view;
  }

  get ignoredLeases(): readonly IgnoredLease[] {
    return this.#snapshot?.ignored ?? [];
  }

  /** Where its rules are. */
  get rules(): Firewall['backend'] {
    return this.#firewall.backend;
  }

  /** Resolves when no write is under way. */
  async idle(): Promise<void> {
    await Promise.all([this.#writes.idle(), this.#ruleChecks.idle()]);
  }

  follow(snapshot: LeaseSnapshot): void {
    const { changes } = snapshot;
    this.#snapshot = snapshot;
    const isWhole = changes === null || !this.keeper.isWhole;
    this.keeper.follow(isWhole ? this.peers.update(snapshot.leases) : this.peers.change(changes));
  }

  /** Takes over another subnet. */
  async moveTo({ subnet, ipv6Subnet }: Pick<Lease, 'subnet' | 'ipv6Subnet'>): Promise<void> {
    this.#setView({ ...this.#view, subnet, ipv6Subnet });
    this.keeper.check();
    await this.#errors.noting(() => this.writeFiles());
    await this.checkRules();
  }

  /** The record of the node, and the file for CNI plugins and Docker. */
  writeFiles(): Promise<void> {
    return this.#writes.run(async () => {
      const { config, subnet, ipv6Subnet } = this.#view;
      const { subnetFile, ipMasq } = this.#options;
      await saveRecord(this.#options, this.#view, { subnet, ipv6Subnet, etcdLease: this.#leases.etcdLease });
      const env = printSubnetEnv({
        network: config.ipv4.network,
        subnet,
        ipv6Network: config.ipv6?.network ?? null,
        ipv6Subnet,
        mtu: containerMtuOf(this.#view),
        ipMasq,
      });
      await replaceFile(subnetFile, env);
    }, this.#signal);
  }

  async checkRules(): Promise<void> {
    const check = async (): Promise<void> => {
      const scopes = masqueradeScopes(this.#view, this.peers.leases());
      if ((await this.#firewall.check(scopes)) > 0) this.#report({ kind: 'rules-repaired' });
    };
    await this.#errors.noting(() => this.#ruleChecks.run(check, this.#signal));
  }

  /** Keeps the node's route in the VPC, and publishes its place. */
  async checkVpc(): Promise<void> {
    const before = this.#view.vpc;
    const follower = this.#vpc;
    if (follower === null || before === null) return;
    await this.#errors.noting(async () => {
      const outcome = await follower.check(selfOf(this.#view), before, this.peers.leases());
      if (outcome === null) return;
      for (const problem of outcome.problems) this.#errors.note(problem);
      this.#setView({ ...this.#view, vpc: outcome.view });
      if (outcome.hasMoved) await this.#leases.update(attributesOf(this.#view), this.#signal);
      this.keeper.check();
    });
  }

  /** Follows a change of the config at once, where stock flanneld waits for its restart. */
  async checkConfig(): Promise<void> {
    const limit = AbortSignal.any([this.#signal, AbortSignal.timeout(CONFIG_LIMIT_MS)]);
    const config = await this.#leases.readConfig(limit);
    // The same object is read again while the content stays the same.
    if (config === this.#view.config) return;
    requireBackend(config);
    requireCompatible(this.#view.attachment, config.backend);
    // It needs another client of EC2, or none.
    if (this.#vpc !== null || config.backend.type === AWS_VPC)
      throw userError(
        'The flannel config has changed, and one of its backends is aws-vpc.',
        'Restart the agent.',
      );
    // The interface was chosen for the versions of IP of the former config.
    if ((config.ipv6 === null) !== (this.#view.config.ipv6 === null))
      throw userError('EnableIPv6 of the flannel config has changed.', 'Restart the agent.');
    const key = config.backend.wireguard === null ? null : await openNodeKey(this.#options);
    const { subnet, ipv6Subnet } = this.#view;
    const previous = { subnet, ipv6Subnet, etcdLease: this.#leases.etcdLease };
    const wanted = attributesOf({ ...this.#view, config, key });
    // The config becomes the node's with its lease: one that cannot be followed yet is read again.
    const lease = await this.#leases.acquire(wanted, previous, this.#signal);
    this.#setView({ ...this.#view, config, key });
    this.#report({ kind: 'config-changed', config });
    await this.moveTo(lease);
  }

  #desired(state: KernelState): Desired {
    const { external: before } = this.#view;
    const external = refreshExternal(state, this.#options.external, before);
    if (!isDeepStrictEqual(external, before)) {
      this.#report({ kind: 'interface-changed', interface: external });
      this.#setView({ ...this.#view, external });
      void this.#publishInterface();
    }
    return {
      objects: [...ownObjects(this.#view), ...this.peers.objects(), ...this.#hostRoutes()],
      interface: external.dev,
    };
  }

  /** The record first: it names the etcd lease, by which a restarted agent finds the key that has the former address. */
  async #publishInterface(): Promise<void> {
    await this.#errors.noting(() => this.writeFiles());
    await this.#errors.noting(() => this.#leases.update(attributesOf(this.#view), this.#signal));
  }

  #setView(view: NodeView): void {
    this.#view = view;
    this.peers.setView(view);
  }
}
