import type { Caveat, DockerContainer, KernelObject, NetworkFact, Step } from '../schema/index.js';
import type { ContainerEngine } from './docker/engine.js';
import type { IpVersion } from './ip-version.js';

/** A host as a network sees it: its data interface. */
export interface NetworkHost {
  readonly name: string;
  /** 1, 2, …: determines the host's addresses and subnet. */
  readonly index: number;
  readonly dev: string;
  /** IPv4 or IPv6, without prefix: containers get addresses of the same version. */
  readonly address: string;
  readonly prefix: number;
  readonly mac: string;
  readonly mtu: number;
  /** The subnet of its containers, in CIDR; by default one that follows from the index. */
  readonly subnet?: string;
  /** The MAC of its tunnel device; by default one that follows from the run. */
  readonly tunnelMac?: string;
  /** The host's public key after the key exchange; absent before. */
  readonly publicKey?: string;
  /** Where its WireGuard device receives; by default its address and flannel's port. */
  readonly endpoint?: { readonly address: string; readonly port: number };
  /** The file of its private key; by default one of the run. */
  readonly keyFile?: string;
  /** The network of all subnets, in CIDR; by default that of studies. */
  readonly network?: string;
  /** False when the kernel has no IPv6 or has it disabled: then no IPv6 setting can be written. */
  readonly ipv6?: boolean;
  /** The VPC that it is in; absent outside of one. */
  readonly vpc?: VpcPort;
  /** The network that a node agent runs on it: one beside it needs other names. */
  readonly deployed?: { readonly backend: string; readonly attachment: string };
  /** How Docker makes its containers; absent where they are bare namespaces. */
  readonly docker?: ContainerEngine;
}

/** A host's place in a VPC, whose router has a route to the containers of each host. */
interface VpcPort {
  /** The interface that is in the VPC. */
  readonly dev: string;
  /** The address of the VPC's router there. */
  readonly router: string;
}

/** The input of a plan: the same request gives the same steps on any machine. */
export interface NetworkRequest {
  /** The run's id: prefixes the names of namespaces. */
  readonly run: string;
  /** Distinguishes the set-ups of networks that share hosts, for the names of Docker's objects; the network's name by default. */
  readonly station?: string;
  readonly hosts: readonly NetworkHost[];
  /** Containers on each host; 1 by default. */
  readonly containers?: number;
  /** The number of the first container of each host; 1 by default. Networks that share hosts have different ones. */
  readonly firstContainer?: number;
}

/** An object in a namespace (null is the host's), and why the network needs it. */
export interface KernelChange {
  readonly why: string;
  readonly netns: string | null;
  readonly object: KernelObject;
}

/** One change of a network: an object of the kernel, or a step of another kind (a namespace, a key, a container). */
export type NetworkChange = KernelChange | Step;

/** A container of one host, where a server or a generator runs, and its address. */
export interface Container {
  /** Null when the container shares its host's namespace (`--net=host`). */
  readonly netns: string | null;
  /** Its interface. */
  readonly link: string;
  readonly address: string;
  readonly mtu: number;
  /** Where other hosts reach it, when its host translates its address; absent where they reach its own. */
  readonly published?: { readonly address: string; readonly port: number };
  /** How its packets to containers on other hosts leave its namespace: `via GATEWAY` or `dev LINK`. */
  readonly nexthop: string;
  /** Where its programs run; absent for a bare namespace. */
  readonly docker?: DockerContainer;
}

/** A device whose counters prove the path of packets. */
export interface PathDevice {
  readonly netns: string | null;
  readonly link: string;
}

export interface HostPlan {
  readonly host: string;
  readonly steps: readonly Step[];
  readonly container: Container;
  /** Containers after the first. */
  readonly extraContainers: readonly Container[];
  readonly keyExchange?: KeyExchange;
  /** Devices that must carry every packet between the containers, in order from the wire to the container. */
  readonly path: readonly PathDevice[];
  /** Devices that must carry no packet between the containers. */
  readonly bypass: readonly PathDevice[];
}

/** The first `steps` of a plan create what peers must know of the host before they can apply theirs. */
interface KeyExchange {
  readonly steps: number;
  /** The program that prints it, for `publicKey`. */
  readonly query: readonly string[];
}

/**
 * A requirement of a network: a link type, a tool, hosts that do not drop what they forward, or a platform that the hosts must
 * run on.
 */
export type Requirement =
  | { readonly kind: 'link-type'; readonly type: string }
  | { readonly kind: 'tool'; readonly name: string }
  | { readonly kind: 'forwarding' }
  | { readonly kind: 'platform'; readonly name: string };

/** From a container: to one on another host, to one on its own host, and to that host itself. */
export const PATH_KINDS = ['across', 'sameHost', 'ownHost'] as const;
export type PathKind = (typeof PATH_KINDS)[number];
export type BlockedPaths = Readonly<Partial<Record<PathKind, string>>>;

interface NetworkFacts {
  readonly name: string;
  /** One line for tables and `barewire networks`. */
  readonly what: string;
}

/** The routes of the hosts' subnets and the links that they lead to; the receive handler of the host's interface. */
export type Claim = 'subnets' | 'interface';

/** A network that Barewire builds: a backend and an attachment under a catalog name. */
export interface PlannedNetwork extends NetworkFacts {
  readonly kind: 'planned';
  readonly requires: readonly Requirement[];
  /** Why it carries only IPv4; absent where it carries IPv6 too. */
  readonly noIpv6?: string;
  readonly facts: readonly NetworkFact[];
  /** Paths that do not work by design, with the reason. */
  readonly blocked: BlockedPaths;
  /** What its figures do not show on any testbed; absent where there is nothing to say. */
  readonly caveat?: Caveat;
  /** What only one network can have on a host at a time. */
  readonly claims: readonly Claim[];
  plan(request: NetworkRequest): readonly HostPlan[];
}

/** A network that the testbed's hosts already have: nothing is built, and the testbed places the containers. */
export interface GivenNetwork extends NetworkFacts {
  readonly kind: 'given';
}

export type Network = PlannedNetwork | GivenNetwork;

/** One host and its peers. */
export interface HostView {
  readonly run: string;
  readonly station: string;
  readonly host: NetworkHost;
  readonly peers: readonly NetworkHost[];
}

/** What all containers of a host share. */
interface Segment {
  readonly prefix: number;
  /** The host's own address among its containers. */
  readonly gateway: string;
  readonly mtu: number;
}

/** Names and address of a container, before an attachment creates it. */
export interface ContainerPlan extends Segment {
  readonly number: number;
  readonly netns: string;
  /** The host's name for the container's link. */
  readonly hostLink: string;
  /** The container's own name for it; `eth0` by default. */
  readonly link?: string;
  readonly address: string;
}

/** How packets get from host to host. */
export interface Backend {
  readonly name: string;
  /** Empty when there is nothing to say. */
  readonly what: string;
  readonly requires: readonly Requirement[];
  /** What one must know before choosing it. */
  readonly facts: readonly NetworkFact[];
  /** Why it carries only IPv4; absent where it carries IPv6 too. */
  readonly noIpv6?: string;
  /** What its figures do not show on any testbed; absent where there is nothing to say. */
  readonly caveat?: Caveat;
  /** Bytes of headers that it adds to each packet, by the version of the outer IP. */
  readonly overheadBytes: Readonly<Record<IpVersion, number>>;
  /**
   * `host`: the host's own. `segment`: containers use addresses beside their hosts'. `subnet`: each host has
   * a subnet.
   */
  readonly addresses: 'host' | 'segment' | 'subnet';
  /** True when peers must be one hop away on layer 2. */
  readonly oneSegment: boolean;
  /** Applied first on both hosts; then `ask` prints the host's public key. */
  exchangeKeys?(site: HostView): {
    readonly changes: readonly NetworkChange[];
    readonly ask: readonly string[];
  };
  /** What the host needs whatever its peers are. */
  own(site: HostView): readonly NetworkChange[];
  /** What it needs for a peer. */
  peer(site: HostView, peer: NetworkHost): readonly NetworkChange[];
  /** What comes after its peers. */
  afterPeers?(site: HostView): readonly NetworkChange[];
  /** The devices of the host that packets to its peers cross. */
  path(site: HostView): readonly PathDevice[];
}

/** How a container joins its host. */
export interface Attachment {
  readonly name: string;
  readonly what: string;
  readonly requires: readonly Requirement[];
  /** What one must know before choosing it. */
  readonly facts: readonly NetworkFact[];
  /** Paths that do not work by design, with the reason. */
  readonly blocked?: BlockedPaths;
  /** True for links on top of the host's own interface, which has one receive handler. */
  readonly onInterface?: boolean;
  /** True where Docker itself makes the links. */
  readonly byDocker?: boolean;
  /** Once per host, before its first container. */
  prepare(site: HostView, segment: Segment): readonly NetworkChange[];
  join(site: HostView, plan: ContainerPlan): AttachedContainer;
}

/** A container and the changes that create it: on the host, then inside. */
interface AttachedContainer {
  readonly changes: readonly NetworkChange[];
  readonly container: Container;
  /** The devices between the backend's and the container, including the container's own. */
  readonly path: readonly PathDevice[];
}
