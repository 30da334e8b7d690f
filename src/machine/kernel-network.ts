import { randomInt } from 'node:crypto';
import { closeSync, openSync, readFileSync } from 'node:fs';
import {
  changeAddress,
  changeForwarding,
  changeNeighbour,
  changeRoute,
  delLink,
  delLinkGroup,
  getLink,
  getRoute,
  inNetnsAt,
  keyBytes,
  type KernelState,
  type Message,
  type KernelEvent,
  type KernelLink,
  Netlink,
  NetlinkMonitor,
  NetlinkError,
  newLink,
  parseAttributes,
  readKernelState,
  readLinks,
  RTA,
  setAlias,
  setLink,
  WireguardNetlink,
} from '../linux/index.js';
import { bug, machineError, messageOf } from '../schema/index.js';
import { isOfWireguard, linksNeededBy, type EditFailure, type KernelEdit } from './kernel-edit.js';
import { writeSysctl } from './sysctl.js';

/** Removing what is gone succeeds. */
const GONE: ReadonlySet<string> = new Set(['ENOENT', 'ENODEV', 'ESRCH', 'EADDRNOTAVAIL']);

/** The network of one namespace, which is read and changed by netlink: a change takes microseconds instead of a process. */
export class KernelNetwork implements Disposable {
  readonly #path: string;
  readonly #netlink: Netlink;
  readonly #monitor: NetlinkMonitor;
  readonly #protocol: number;
  /** Opened when the namespace has a WireGuard link, or gets one. */
  #wireguard: WireguardNetlink | null = null;
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
    return readKernelState(this.#netlink, () => this.#openWireguard());
  }

  links(): ReadonlyMap<string, KernelLink> {
    return readLinks(this.#netlink);
  }

  /** What others have changed since the last call; null when there was too much to follow. */
  foreignEvents(): readonly KernelEvent[] | null {
    return this.#monitor.read(this.#netlink.port);
  }

  /** The link by which the kernel routes to an address; null without a route. */
  linkTowards(address: string): string | null {
    const answer = this.#netlink.get(getRoute(address));
    if (answer instanceof NetlinkError) return null;
    // struct rtmsg, and attributes.
    const index = parseAttributes(answer.subarray(12)).get(RTA.outLink)?.readUInt32LE(0);
    return [...this.links().values()].find((link) => link.index === index)?.name ?? null;
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
    let socket: Pick<Netlink, 'request'> = this.#netlink;
    const flush = (): void => {
      const results = socket.request(batch.map(({ message }) => message));
      for (const [at, { edit }] of batch.entries()) {
        const error = results[at] ?? null;
        if (error === null || (edit.verb === 'remove' && GONE.has(error.errnoName))) continue;
        // Of a link and of its alias, the first error is the cause.
        if (failures.at(-1)?.edit !== edit) failures.push({ edit, reason: error.message });
      }
      batch = [];
    };
    for (const edit of edits) {
      // Links get and lose their indexes.
      const ofLink = edit.verb === 'change' ? edit.change.name !== undefined : edit.object.kind === 'link';
      if (ofLink) flush();
      if (edit.verb === 'add' && edit.object.kind === 'setting') {
        const { key, value } = edit.object;
        try {
          inNetnsAt(this.#path, () => writeSysctl(key, value));
        } catch (error) {
          // A setting of a link that is gone, or /proc/sys is mounted read-only.
          failures.push({ edit, reason: messageOf(error) });
        }
        continue;
      }
      const missing = this.#missingLink(edit);
      if (missing !== null) {
        if (edit.verb !== 'remove') failures.push({ edit, reason: `there is no link ${missing}` });
        continue;
      }
      const marked =
        edit.verb === 'add' && edit.object.kind === 'link' && edit.alias !== undefined
          ? { name: edit.object.name, alias: edit.alias }
          : null;
      // The alias would mark the link of another owner.
      if (marked !== null && this.hasLink(marked.name)) {
        failures.push({ edit, reason: 'EEXIST' });
        continue;
      }
      const needed = isOfWireguard(edit) ? this.#openWireguard() : this.#netlink;
      if (needed !== socket) flush();
      socket = needed;
      try {
        batch.push({ edit, message: this.#messageOf(edit, peer) });
      } catch (error) {
        // The file of a private key is gone, or the module of WireGuard.
        if (!isOfWireguard(edit)) throw error;
        failures.push({ edit, reason: messageOf(error) });
      }
      // A process that is killed leaves no link without its mark.
      if (marked !== null) batch.push({ edit, message: setAlias(marked.name, marked.alias) });
      if (ofLink) {
        flush();
        this.#indexes.clear();
      }
    }
    flush();
    return failures;
  }

  /** Removes links together: the kernel waits for readers of each link that it removes, and once for those of a group. */
  removeLinks(names: readonly string[]): void {
    this.#indexes.clear();
    const indexes = names.map((name) => this.#indexOf(name)).filter((index) => index !== 0);
    if (indexes.length === 0) return;
    // A random group, so that it has no other links.
    const group = randomInt(1, 2 ** 31);
    this.#netlink.request(indexes.map((index) => setLink(index, { group })));
    this.#netlink.request([delLinkGroup(group)]);
    this.#indexes.clear();
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
      case 'wireguard':
        return this.#openWireguard().setDevice(
          indexOf(object.link),
          object.port,
          readPrivateKey(object.keyFile),
        );
      case 'wireguard-peer':
        return this.#openWireguard().changePeer(verb, indexOf(object.link), object);
      case 'up':
        return setLink(indexOf(object.link), { up: verb === 'add' });
      case 'no-link-local':
        return setLink(indexOf(object.link), { noLinkLocal: true });
      case 'setting':
        throw bug('a setting is not removed');
    }
  }

  #openWireguard(): WireguardNetlink {
    return (this.#wireguard ??= inNetnsAt(this.#path, () => new WireguardNetlink()));
  }

  /** The link that an edit needs and the namespace lacks. */
  #missingLink(edit: KernelEdit): string | null {
    return linksNeededBy(edit).find((name) => this.#indexOf(name) === 0) ?? null;
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
    this.#wireguard?.[Symbol.dispose]();
    if (this.#file !== null) closeSync(this.#file);
  }
}

/** @throws BarewireError `results-damaged` */
function readPrivateKey(path: string): Buffer {
  const key = keyBytes(readFileSync(path, 'utf8').trim());
  if (key !== null) return key;
  throw machineError(
    'results-damaged',
    `${path} has no WireGuard key.`,
    'Remove it, and start the agent again.',
  );
}
