import { closeSync, openSync } from 'node:fs';
import {
  changeAddress,
  changeForwarding,
  changeNeighbour,
  changeRoute,
  delLink,
  getLink,
  inNetnsAt,
  type KernelState,
  type LinkChange,
  type Message,
  type KernelEvent,
  type KernelLink,
  Netlink,
  NetlinkMonitor,
  NetlinkError,
  newLink,
  readKernelState,
  readLinks,
  setLink,
} from '../linux/index.js';
import { bug, type KernelObject, type LinkObject } from '../schema/index.js';
import { writeSysctl } from './sysctl.js';

/** One difference to remove. `change` is of a link that exists. */
export type KernelEdit =
  | { readonly verb: 'add' | 'remove'; readonly object: KernelObject }
  | { readonly verb: 'change'; readonly link: string; readonly change: LinkChange };

/** An edit that the kernel refused. */
export interface EditFailure {
  readonly edit: KernelEdit;
  /** `EEXIST`, … and the kernel's own text where it has one. */
  readonly reason: string;
}

/** Removing what is gone succeeds. */
const GONE: ReadonlySet<string> = new Set(['ENOENT', 'ENODEV', 'ESRCH', 'EADDRNOTAVAIL']);

/** The network of one namespace, which is read and changed by netlink: a change takes microseconds instead of a process. */
export class KernelNetwork implements Disposable {
  readonly #path: string;
  readonly #netlink: Netlink;
  readonly #monitor: NetlinkMonitor;
  readonly #protocol: number;
  /** Indexes of links by name, as long as no link is created, renamed or removed. */
  readonly #indexes = new Map<string, number>();
  /** The namespace as an open file, for links that are created in it. */
  #file: number | null = null;

  /**
   * @param path of the namespace: `/proc/self/ns/net`, `/run/netns/NAME`
   * @param protocol marks the routes (`rt_protos` of iproute2)
   */
  constructor(path: string, protocol: number) {
    this.#path = path;
    this.#protocol = protocol;
    [this.#netlink, this.#monitor] = inNetnsAt(path, () => [new Netlink(), new NetlinkMonitor()]);
  }

  read(): KernelState {
    return readKernelState(this.#netlink);
  }

  links(): ReadonlyMap<string, KernelLink> {
    return readLinks(this.#netlink);
  }

  /** What others have changed since the last call; null when there was too much to follow. */
  foreignEvents(): readonly KernelEvent[] | null {
    return this.#monitor.read()?.filter(({ port }) => port !== this.#netlink.port) ?? null;
  }

  hasLink(name: string): boolean {
    return !(this.#netlink.get(getLink(name)) instanceof NetlinkError);
  }

  /**
   * Applies edits in their order, and continues after a failure. Edits that only need the indexes of known links are sent together.
   *
   * @param peer the namespace of the other end of a veth pair, and of links on the host's interface
   */
  apply(edits: readonly KernelEdit[], peer?: KernelNetwork): EditFailure[] {
    this.#indexes.clear();
    const failures: EditFailure[] = [];
    let batch: { readonly edit: KernelEdit; readonly message: Message }[] = [];
    const flush = (): void => {
      const results = this.#netlink.request(batch.map(({ message }) => message));
      for (const [at, { edit }] of batch.entries()) {
        const error = results[at] ?? null;
        if (error === null || (edit.verb === 'remove' && GONE.has(error.errnoName))) continue;
        failures.push({ edit, reason: error.message });
      }
      batch = [];
    };
    for (const edit of edits) {
      // Links get and lose their indexes.
      const ofLink = edit.verb === 'change' ? edit.change.name !== undefined : edit.object.kind === 'link';
      if (ofLink) flush();
      if (edit.verb === 'add' && edit.object.kind === 'setting') {
        const { key, value } = edit.object;
        inNetnsAt(this.#path, () => writeSysctl(key, value));
        continue;
      }
      const missing = this.#missingLink(edit);
      if (missing !== null) {
        if (edit.verb !== 'remove') failures.push({ edit, reason: `there is no link ${missing}` });
        continue;
      }
      batch.push({ edit, message: this.#messageOf(edit, peer) });
      if (ofLink) {
        flush();
        this.#indexes.clear();
      }
    }
    flush();
    return failures;
  }

  #messageOf(edit: KernelEdit, peer: KernelNetwork | undefined): Message {
    const indexOf = (name: string): number => this.#indexOf(name);
    if (edit.verb === 'change') return setLink(indexOf(edit.link), edit.change);
    const { verb, object } = edit;
    switch (object.kind) {
      case 'link': {
        if (verb === 'remove') return delLink(indexOf(object.name));
        const there = peer?.descriptor ?? null;
        const own = object.type === 'ipvlan' || object.type === 'macvlan' ? there : null;
        return newLink(object, indexOf, { own, peer: there });
      }
      case 'address':
        return changeAddress(verb, object, indexOf);
      case 'route':
        return changeRoute(verb, object, indexOf, this.#protocol);
      case 'neighbour':
        return changeNeighbour(verb, object, indexOf);
      case 'forwarding':
        return changeForwarding(verb, object, indexOf);
      case 'up':
        return setLink(indexOf(object.link), { up: verb === 'add' });
      case 'no-link-local':
        return setLink(indexOf(object.link), { noLinkLocal: true });
      case 'setting':
        throw bug('a setting is not removed');
    }
  }

  /** The link that an edit needs and the namespace lacks. */
  #missingLink(edit: KernelEdit): string | null {
    const needed = edit.verb === 'change' ? [edit.link] : linksOf(edit.verb, edit.object);
    return needed.find((name) => this.#indexOf(name) === 0) ?? null;
  }

  #indexOf(name: string): number {
    const known = this.#indexes.get(name);
    if (known !== undefined) return known;
    const answer = this.#netlink.get(getLink(name));
    if (answer instanceof NetlinkError) return 0;
    const index = answer.readInt32LE(4);
    this.#indexes.set(name, index);
    return index;
  }

  get descriptor(): number {
    return (this.#file ??= openSync(this.#path, 'r'));
  }

  [Symbol.dispose](): void {
    this.#netlink[Symbol.dispose]();
    this.#monitor[Symbol.dispose]();
    if (this.#file !== null) closeSync(this.#file);
  }
}

function linksOf(verb: 'add' | 'remove', object: KernelObject): string[] {
  switch (object.kind) {
    case 'link':
      return verb === 'remove' ? [object.name] : linksBelow(object);
    case 'route':
      return object.link === undefined ? [] : [object.link];
    case 'setting':
      return [];
    case 'address':
    case 'neighbour':
    case 'forwarding':
    case 'up':
    case 'no-link-local':
      return [object.link];
  }
}

const linksBelow = (link: LinkObject): string[] => [
  ...('dev' in link ? [link.dev] : []),
  ...(link.master === undefined ? [] : [link.master]),
];
