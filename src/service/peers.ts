import type { KernelEdit } from '../machine/index.js';
import type { KernelObject } from '../schema/index.js';
import { peerObjects, type NodeView, type PeerProblem } from './desired.js';
import type { Lease } from './flannel/lease.js';

interface Peer {
  readonly lease: Lease;
  readonly objects: readonly KernelObject[];
  readonly problem: PeerProblem | null;
}

/** A peer whose lease the node does not use. */
export interface UnusedPeer {
  readonly subnet: string;
  readonly problem: PeerProblem;
}

/** The node's peers and what they need in the kernel. Only the peers that have changed are computed again. */
export class Peers {
  readonly #peers = new Map<string, Peer>();
  #view: NodeView;

  constructor(view: NodeView) {
    this.#view = view;
  }

  get size(): number {
    return this.#peers.size;
  }

  /** What the kernel must have for all peers. */
  objects(): KernelObject[] {
    return [...this.#peers.values()].flatMap(({ objects }) => objects);
  }

  unused(): UnusedPeer[] {
    return [...this.#peers.values()].flatMap(({ lease: { subnet }, problem }) =>
      problem === null ? [] : [{ subnet, problem }],
    );
  }

  leases(): readonly Lease[] {
    return [...this.#peers.values()].map(({ lease }) => lease);
  }

  /** Computes all peers again for another view of the node. */
  setView(view: NodeView): void {
    const leases = this.leases();
    this.#view = view;
    this.#peers.clear();
    this.update(leases);
  }

  /** Takes over the complete set of leases, and returns the edits that lead to it from the last one. */
  update(leases: readonly Lease[]): KernelEdit[] {
    const present = new Set(leases.map(({ subnet }) => subnet));
    const removed = [...this.#peers].flatMap(([subnet, { objects }]) => {
      if (present.has(subnet)) return [];
      this.#peers.delete(subnet);
      return missingIn(objects, []);
    });
    return [...removed, ...this.change(leases)];
  }

  /** Takes over leases that have changed, and returns the edits that lead to them. */
  change(leases: readonly Lease[]): KernelEdit[] {
    const removed: KernelEdit[] = [];
    const added: KernelEdit[] = [];
    for (const lease of leases) {
      if (this.#isOwn(lease)) continue;
      const known = this.#peers.get(lease.subnet);
      // The table of leases keeps the object of a lease that has not changed.
      if (known?.lease === lease) continue;
      const peer = this.#compute(lease);
      this.#peers.set(lease.subnet, peer);
      removed.push(...missingIn(known?.objects ?? [], peer.objects));
      added.push(...peer.objects.map((object): KernelEdit => ({ verb: 'add', object })));
    }
    return [...removed, ...added];
  }

  #isOwn({ subnet, attributes }: Lease): boolean {
    return subnet === this.#view.subnet || attributes.publicIp === this.#view.external.ipv4.address;
  }

  #compute(lease: Lease): Peer {
    const computed = peerObjects(this.#view, lease);
    return computed.ok
      ? { lease, objects: computed.objects, problem: null }
      : { lease, objects: [], problem: computed.problem };
  }
}

/** Removals of what is replaced by nothing: an object with another content replaces one of the same place. */
function missingIn(before: readonly KernelObject[], after: readonly KernelObject[]): KernelEdit[] {
  const places = new Set(after.map(placeOf));
  return before
    .filter((object) => !places.has(placeOf(object)))
    .toReversed()
    .map((object) => ({ verb: 'remove', object }));
}

function placeOf(object: KernelObject): string {
  switch (object.kind) {
    case 'route':
      return `route ${object.destination}`;
    case 'neighbour':
      return `neighbour ${object.link} ${object.address}`;
    case 'forwarding':
      return `forwarding ${object.link} ${object.mac}`;
    case 'link':
    case 'address':
    case 'up':
    case 'no-link-local':
    case 'setting':
      return JSON.stringify(object);
  }
}
