import type { KernelLink, KernelState, KernelWireguardPeer } from '../linux/index.js';
import type { KernelEdit } from '../machine/index.js';
import type {
  AddressObject,
  ForwardingObject,
  KernelObject,
  LinkObject,
  NeighbourObject,
  RouteObject,
  WireguardObject,
  WireguardPeerObject,
} from '../schema/index.js';

/** How the node's objects are marked in the kernel. */
export interface Marks {
  /** The alias of its links. */
  readonly alias: string;
  /** The protocol number of its routes. */
  readonly protocol: number;
}

/** `rt_protos` of iproute2: made by the kernel itself. */
const PROTOCOL_KERNEL = 2;

/** A link of another owner has the name of a link that the node needs. */
export interface Conflict {
  readonly link: string;
  /** `a link of type bridge` */
  readonly found: string;
}

export interface Difference {
  /** In the order in which they can be applied. */
  readonly edits: readonly KernelEdit[];
  readonly conflicts: readonly Conflict[];
}

/**
 * The edits that lead from the kernel's state to the desired objects. Of what is not desired only the node's own is removed: links and
 * routes with its marks, and everything on its links.
 */
export function findDifference(
  objects: readonly KernelObject[],
  state: KernelState,
  marks: Marks,
): Difference {
  const enabled = new Set(objects.flatMap((object) => (object.kind === 'up' ? [object.link] : [])));
  const links = compareLinks(
    objects.filter(isKind('link')).map((link) => (enabled.has(link.name) ? { ...link, up: true } : link)),
    state,
    marks,
  );
  const { own, fresh } = links;
  const refused = new Set(links.conflicts.map(({ link }) => link));
  // A link of another owner stays as it is, and no route leads through it.
  const desired = objects.filter((object) => !('link' in object && refused.has(object.link ?? '')));
  const removed: KernelEdit[] = [];
  const added: KernelEdit[] = [];
  const compare = <T extends KernelObject>(
    wanted: readonly T[],
    found: readonly T[],
    keyOf: (object: T) => string,
    isSame: (one: T, other: T) => boolean,
    isOwn: (object: T) => boolean,
  ): void => {
    const byKey = new Map(wanted.map((object) => [keyOf(object), object]));
    const present = new Set<string>();
    for (const object of found) {
      const key = keyOf(object);
      const want = byKey.get(key);
      if (want === undefined) {
        if (isOwn(object)) removed.push({ verb: 'remove', object });
      } else if (isSame(want, object)) present.add(key);
    }
    for (const [key, object] of byKey) if (!present.has(key)) added.push({ verb: 'add', object });
  };
  const survives = (link: string | undefined): boolean => link === undefined || !fresh.has(link);
  compare<AddressObject>(
    desired.filter(isKind('address')),
    state.addresses.filter(({ link }) => survives(link)),
    ({ link, address }) => `${link} ${address}`,
    () => true,
    ({ link, address }) => own.has(link) && !address.startsWith('fe80:'),
  );
  compare<NeighbourObject>(
    desired.filter(isKind('neighbour')),
    state.neighbours.filter(({ link }) => survives(link)),
    ({ link, address }) => `${link} ${address}`,
    (one, other) => one.mac === other.mac,
    ({ link }) => own.has(link),
  );
  compare<ForwardingObject>(
    desired.filter(isKind('forwarding')),
    state.forwarding.filter(({ link }) => survives(link)),
    ({ link, mac }) => `${link} ${mac}`,
    (one, other) => one.to === other.to,
    ({ link }) => own.has(link),
  );
  const wireguard = state.wireguard.filter(({ link }) => survives(link));
  compare<WireguardObject>(
    desired.filter(isKind('wireguard')),
    wireguard.map((each) => ({ ...each, keyFile: '' })),
    ({ link }) => link,
    (one, other) => one.port === other.port && one.publicKey === other.publicKey,
    () => false,
  );
  compare<WireguardPeerObject & Partial<KernelWireguardPeer>>(
    desired.filter(isKind('wireguard-peer')),
    wireguard.flatMap(({ peers }) => peers),
    ({ link, publicKey }) => `${link} ${publicKey}`,
    isSamePeer,
    ({ link }) => own.has(link),
  );
  compare<RouteObject & { readonly protocol?: number }>(
    desired.filter(isKind('route')),
    state.routes.filter(({ link }) => survives(link)),
    ({ destination }) => destination,
    (one, other) =>
      one.via === other.via &&
      one.link === other.link &&
      one.onlink === other.onlink &&
      other.protocol === marks.protocol,
    ({ link, protocol }) =>
      protocol === marks.protocol || (link !== undefined && own.has(link) && protocol !== PROTOCOL_KERNEL),
  );
  const settings = desired.filter(isKind('setting')).map((object): KernelEdit => ({ verb: 'add', object }));
  return {
    // Routes are removed first and added last, so that no packet is sent to a tunnel without its peer.
    edits: [...removed.reverse(), ...links.edits, ...settings, ...added],
    conflicts: links.conflicts,
  };
}

const isKind =
  <K extends KernelObject['kind']>(kind: K) =>
  (object: KernelObject): object is Extract<KernelObject, { kind: K }> =>
    object.kind === kind;

/** An authenticated peer may have another endpoint than its lease says: WireGuard learns it from the peer's packets. */
function isSamePeer(
  one: WireguardPeerObject,
  other: WireguardPeerObject & Partial<KernelWireguardPeer>,
): boolean {
  const isThere =
    one.endpoint.address === other.endpoint.address && one.endpoint.port === other.endpoint.port;
  return (
    (isThere || other.hasSession === true) &&
    one.keepaliveS === other.keepaliveS &&
    one.presharedKey?.reveal() === other.presharedKey?.reveal() &&
    one.allowed.toSorted().join() === other.allowed.toSorted().join()
  );
}

interface LinkDifference {
  readonly edits: readonly KernelEdit[];
  readonly conflicts: readonly Conflict[];
  /** The node's links by name, also those that will be created. */
  readonly own: ReadonlySet<string>;
  /** Links that the edits create: objects on a link that they replace are removed with it. */
  readonly fresh: ReadonlySet<string>;
}

function compareLinks(desired: readonly LinkObject[], state: KernelState, marks: Marks): LinkDifference {
  const edits: KernelEdit[] = [];
  const conflicts: Conflict[] = [];
  const own = new Set<string>();
  const fresh = new Set<string>();
  const names = new Set(desired.map(({ name }) => name));
  for (const link of state.links.values())
    if (link.alias === marks.alias && !names.has(link.name)) edits.push(removal(link));
  for (const object of desired) {
    const found = state.links.get(object.name);
    if (found !== undefined && !isOwnable(found, marks)) {
      conflicts.push({ link: object.name, found: `a link of type ${found.type ?? 'ethernet'}` });
      continue;
    }
    own.add(object.name);
    if (found !== undefined && isMadeAs(found, object)) {
      const change = {
        ...(found.mtu !== object.mtu && object.mtu !== undefined && { mtu: object.mtu }),
        ...(found.mac !== object.mac && object.mac !== undefined && { mac: object.mac }),
        ...(found.alias !== marks.alias && { alias: marks.alias }),
        ...(object.up === true && !found.up && { up: true }),
      };
      if (Object.keys(change).length > 0) edits.push({ verb: 'change', link: object.name, change });
      continue;
    }
    if (found !== undefined) edits.push(removal(found));
    fresh.add(object.name);
    edits.push({ verb: 'add', object, alias: marks.alias });
  }
  return { edits, conflicts, own, fresh };
}

const removal = ({ name }: KernelLink): KernelEdit => ({
  verb: 'remove',
  object: { kind: 'link', type: 'bridge', name },
});

/** A link of the node, or one of flanneld, which the node replaces. */
const isOwnable = ({ alias, name, type }: KernelLink, marks: Marks): boolean =>
  alias === marks.alias ||
  (name.startsWith('flannel') && (type === 'vxlan' || type === 'ipip' || type === 'wireguard'));

/** What cannot be changed in a link that exists. */
function isMadeAs(found: KernelLink, object: LinkObject): boolean {
  if (found.type !== object.type) return false;
  if (object.type === 'ipvlan' && found.ipvlanMode !== object.mode) return false;
  // flanneld binds its tunnel to no interface.
  if (object.type === 'ipip')
    return (found.dev === null || found.dev === object.dev) && found.ipipLocal === object.local;
  if (object.type !== 'vxlan') return !('dev' in object) || found.dev === object.dev;
  const { vxlan } = found;
  return (
    vxlan !== null &&
    found.dev === object.dev &&
    vxlan.vni === object.vni &&
    vxlan.port === object.port &&
    vxlan.local === object.local &&
    !vxlan.learning
  );
}
