import type { Step } from '../schema/index.js';
import type { IpVersion } from './ip-version.js';

/** A host as a network sees it: the data interface that packets leave by. */
export interface NetworkHost {
  readonly name: string;
  /** 1, 2, …: numbers the host's addresses and subnet. */
  readonly index: number;
  readonly dev: string;
  /** IPv4 or IPv6, without prefix: containers get addresses of the same version. */
  readonly address: string;
  readonly prefix: number;
  readonly mac: string;
  readonly mtu: number;
  /** What the host said of itself when it was introduced to its peers; absent before. */
  readonly publicKey?: string;
  /** False where the kernel has no IPv6, or has it switched off: then nothing can be told to keep it silent. */
  readonly ipv6?: boolean;
}

/** What a network is asked for: the same steps come back for the same data on any machine. */
export interface NetworkRequest {
  /** The run's id: prefixes the names of namespaces. */
  readonly run: string;
  readonly hosts: readonly NetworkHost[];
  /** On each host; 1 by default. */
  readonly containers?: number;
}

/** A container of one host: where a server or a generator is to run, and the address it is reached at. */
export interface Container {
  /** Null when the container shares its host's namespace (`--net=host`). */
  readonly netns: string | null;
  /** Its interface. */
  readonly link: string;
  readonly address: string;
  readonly mtu: number;
}

/** A device whose counters tell which way packets went. */
export interface PathDevice {
  readonly netns: string | null;
  readonly link: string;
}

export interface HostPlan {
  readonly host: string;
  readonly steps: readonly Step[];
  readonly container: Container;
  /** Those after the first. */
  readonly extraContainers: readonly Container[];
  readonly keyExchange?: KeyExchange;
  /** Devices that must carry every packet between the containers, in order from the wire to the container. */
  readonly path: readonly PathDevice[];
  /** Devices that must carry none of it. */
  readonly bypass: readonly PathDevice[];
}

/** The first `steps` of a plan make what peers must know of the host before they can take the rest of theirs. */
export interface KeyExchange {
  readonly steps: number;
  /** The program that then prints it, for `publicKey`. */
  readonly query: readonly string[];
}

/** What a kernel or a machine must have for it; a `place` is where the hosts must stand. */
export type Requirement =
  | { readonly kind: 'link-type'; readonly type: string }
  | { readonly kind: 'tool'; readonly name: string }
  | { readonly kind: 'platform'; readonly name: string };

/** From a container: to one of another host, to one of its own host, and to that host itself. */
export const PATH_KINDS = ['across', 'sameHost', 'ownHost'] as const;
export type PathKind = (typeof PATH_KINDS)[number];
export type BlockedPaths = Readonly<Partial<Record<PathKind, string>>>;

interface NetworkFacts {
  readonly name: string;
  /** One line for tables and `barewire networks`. */
  readonly what: string;
}

/** A network that Barewire builds: a backend and an attachment under a catalog name. */
export interface PlannedNetwork extends NetworkFacts {
  readonly kind: 'planned';
  readonly requires: readonly Requirement[];
  /** Why it carries only IPv4; absent where it carries IPv6 too. */
  readonly noIpv6?: string;
  /** Paths that do not work by design, with the reason. */
  readonly blocked: BlockedPaths;
  plan(request: NetworkRequest): readonly HostPlan[];
}

/** A network that the testbed's hosts already have: nothing is built, and the testbed places the containers. */
export interface GivenNetwork extends NetworkFacts {
  readonly kind: 'given';
}

export type Network = PlannedNetwork | GivenNetwork;

/** One host's view of a request. */
export interface HostView {
  readonly run: string;
  readonly host: NetworkHost;
  readonly peers: readonly NetworkHost[];
}

/** What all containers of a host have in common. */
export interface Segment {
  readonly prefix: number;
  /** The host's own address among its containers. */
  readonly gateway: string;
  readonly mtu: number;
}

/** Where a container is put: its names and its address, before an attachment makes it. */
export interface ContainerPlan extends Segment {
  readonly netns: string;
  /** What the host calls the container's link. */
  readonly hostLink: string;
  readonly address: string;
}

/** How a packet gets from host to host. */
export interface Backend {
  readonly name: string;
  /** Empty when there is nothing to say. */
  readonly what: string;
  readonly requires: readonly Requirement[];
  /** Why it carries IPv4 alone; absent where it carries IPv6 too. */
  readonly noIpv6?: string;
  /** Bytes that it takes from each packet for its own headers, by the version of the outer one. */
  readonly overheadBytes: Readonly<Record<IpVersion, number>>;
  /** `host`: the host's own. `segment`: containers take some beside their hosts'. `subnet`: each host has a subnet of its own. */
  readonly addresses: 'host' | 'segment' | 'subnet';
  /** True when peers must be one hop away on layer 2. */
  readonly oneSegment: boolean;
  /** Taken before all else on both hosts; then `ask` prints the host's public key. */
  exchangeKeys?(site: HostView): { readonly steps: readonly Step[]; readonly ask: readonly string[] };
  steps(site: HostView): readonly Step[];
  /** The devices of the host that packets to its peers pass. */
  path(site: HostView): readonly PathDevice[];
}

/** How a container joins its host. */
export interface Attachment {
  readonly name: string;
  readonly what: string;
  readonly requires: readonly Requirement[];
  /** Paths that do not work, by design, and why. */
  readonly blocked?: BlockedPaths;
  /** Once on a host, before its first container. */
  prepare(site: HostView, segment: Segment): readonly Step[];
  join(site: HostView, plan: ContainerPlan): AttachedContainer;
}

/** A container with what makes it: changes on the host, then inside. */
export interface AttachedContainer {
  readonly steps: readonly Step[];
  readonly container: Container;
  /** The devices between the underlay's and the container, the container's own included. */
  readonly path: readonly PathDevice[];
}
