import type { KernelEdit } from '../machine/index.js';
import type { KernelObject } from '../schema/index.js';
import { peerObjects, type NodeView, type PeerProblem } from './desired.js';
import type { LeaseChanges } from './flannel/lease-table.js';
import type { Lease } from './flannel/lease.js';
import { mergePeers } from './wireguard.js';

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
  /** Leases that are the node's own in the present view: after a move, its former subnet may be a peer's. */
  readonly #own = new Map<string, Lease>();
  #view: NodeView;

  constructor(view: NodeView) {
    this.#view = view;
  }

  get size(): number {
    return this.#peers.size;
  }

  /** What the kernel must have for all peers. */
  objects(): KernelObject[] {
    return mergePeers([...this.#peers.values()].flatMap(({ objects }) => objects));
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
    const leases = [...this.leases(), ...this.#own.values()];
    this.#view = view;
    this.#peers.clear();
    this.#own.clear();
    this.update(leases);
  }

  /** Takes over the complete set of leases, and returns the edits that lead to it from the last one. */
  update(leases: readonly Lease[]): KernelEdit[] {
    const present = new Set(leases.map(({ subnet }) => subnet));
    for (const subnet of this.#own.keys()) if (!present.has(subnet)) this.#own.delete(subnet);
    const removed = [...this.#peers].flatMap(([subnet, { objects }]) => {
      if (present.has(subnet)) return [];
      this.#peers.delete(subnet);
      return missingIn(objects, []);
    });
    return this.#settle([...removed, ...this.change({ put: leases, removed: [] })]);
  }

  /** Takes over changes of leases, and returns the edits that lead to them. */
  change({ put, removed: gone }: LeaseChanges): KernelEdit[] {
    const removed = gone.flatMap((subnet) => {
      const known = this.#peers.get(subnet);
      this.#peers.delete(subnet);
      this.#own.delete(subnet);
      return missingIn(known?.objects ?? [], []);
    });
    const added: KernelEdit[] = [];
    for (const lease of put) {
      const known = this.#peers.get(lease.subnet);
      if (this.#isOwn(lease)) {
        this.#own.set(lease.subnet, lease);
        this.#peers.delete(lease.subnet);
        removed.push(...missingIn(known?.objects ?? [], []));
        continue;
      }
      this.#own.delete(lease.subnet);
      // The table of leases keeps the object of a lease that has not changed.
      if (known?.lease === lease) continue;
      const peer = this.#compute(lease);
      this.#peers.set(lease.subnet, peer);
      removed.push(...missingIn(known?.objects ?? [], peer.objects));
      // Most changes are of one object, and not of the route.
      const present = new Set(known?.objects.map((object) => JSON.stringify(object)));
      for (const object of peer.objects)
        if (present.size === 0 || !present.has(JSON.stringify(object))) added.push({ verb: 'add', object });
    }
    return this.#settle([...removed, ...added]);
  }

  /** A WireGuard peer may belong to several leases: it gets the addresses of all, and is removed with the last. */
  #settle(edits: KernelEdit[]): KernelEdit[] {
    const isOfPeer = (edit: KernelEdit): boolean =>
      edit.verb !== 'change' && edit.object.kind === 'wireguard-peer';
    if (!edits.some(isOfPeer)) return edits;
    const whole = new Map(this.objects().map((object) => [placeOf(object), object]));
    return edits.map((edit) => {
      if (edit.verb === 'change' || !isOfPeer(edit)) return edit;
      const object = whole.get(placeOf(edit.object));
      return object === undefined ? { verb: 'remove', object: edit.object } : { verb: 'add', object };
    });
  }

  #isOwn({ subnet, attributes }: Lease): boolean {
    return subnet === this.#view.subnet || attributes.publicIp === this.#view.external.publicIp;
  }

  #compute(lease: Lease): Peer {
    const computed = peerObjects(this.#view, lease);
    return computed.ok
      ? { lease, objects: computed.objects, problem: null }
      : { lease, objects: [], problem: computed.problem };
  }
}

/** Removals of the objects whose place no object of `after` has. One that differs in content only is replaced. */
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
    case 'wireguard-peer':
      return `wireguard-peer ${object.link} ${object.publicKey}`;
    case 'link':
    case 'address':
    case 'wireguard':
    case 'up':
    case 'no-link-local':
    case 'setting':
      return JSON.stringify(object);
  }
}
