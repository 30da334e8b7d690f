import type { KernelLink, KernelState } from '../linux/index.js';
import type { KernelEdit } from '../machine/index.js';
import type {
  AddressObject,
  ForwardingObject,
  KernelObject,
  LinkObject,
  NeighbourObject,
  RouteObject,
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

/** Something of another owner has the place of an object. */
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
  desired: readonly KernelObject[],
  state: KernelState,
  marks: Marks,
): Difference {
  const links = compareLinks(desired.filter(isKind('link')), state, marks);
  const { own, fresh } = links;
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
    // Routes go first and come last, so that no packet meets a tunnel without its peer.
    edits: [...removed.reverse(), ...links.edits, ...settings, ...added],
    conflicts: links.conflicts,
  };
}

const isKind =
  <K extends KernelObject['kind']>(kind: K) =>
  (object: KernelObject): object is Extract<KernelObject, { kind: K }> =>
    object.kind === kind;

interface LinkDifference {
  readonly edits: readonly KernelEdit[];
  readonly conflicts: readonly Conflict[];
  /** The node's links by name, also those that will be created. */
  readonly own: ReadonlySet<string>;
  /** Links that are created, now or again: what was on one before has gone with it. */
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
    edits.push(
      { verb: 'add', object },
      { verb: 'change', link: object.name, change: { alias: marks.alias } },
    );
  }
  return { edits, conflicts, own, fresh };
}

const removal = ({ name }: KernelLink): KernelEdit => ({
  verb: 'remove',
  object: { kind: 'link', type: 'bridge', name },
});

/** Its own, or one of flanneld, which this node replaces. */
const isOwnable = ({ alias, name, type }: KernelLink, marks: Marks): boolean =>
  alias === marks.alias || (name.startsWith('flannel') && (type === 'vxlan' || type === 'ipip'));

/** What cannot be changed in a link that exists. */
function isMadeAs(found: KernelLink, object: LinkObject): boolean {
  if (found.type !== object.type) return false;
  if (object.type === 'ipvlan' && found.ipvlanMode !== object.mode) return false;
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
