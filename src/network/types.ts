import type { Step } from '../schema/index.js';

/** A host as a network sees it: the data interface that packets leave by. */
export interface NetHost {
  readonly name: string;
  /** 1, 2, …: numbers the host's addresses and subnet. */
  readonly index: number;
  readonly dev: string;
  /** IPv4, without prefix. */
  readonly address: string;
  readonly prefix: number;
  readonly mac: string;
  readonly mtu: number;
}

/** What a network is asked for: the same steps come back for the same data on any machine. */
export interface NetworkRequest {
  /** The run's id: prefixes the names of namespaces. */
  readonly run: string;
  readonly hosts: readonly NetHost[];
}

/** A container of one host: where a server or a generator is to run, and the address it is reached at. */
export interface Container {
  /** Null when the container shares its host's namespace (`--net=host`). */
  readonly netns: string | null;
  readonly address: string;
  readonly mtu: number;
}

/** A device whose counters tell which way packets went. */
export interface Waypoint {
  readonly netns: string | null;
  readonly link: string;
}

export interface HostPlan {
  readonly host: string;
  readonly steps: readonly Step[];
  readonly container: Container;
  /** Devices that must carry every packet between the containers. */
  readonly through: readonly Waypoint[];
  /** Devices that must carry none of it. */
  readonly around: readonly Waypoint[];
}

/** What a kernel or a machine must have for it. */
export type Requirement =
  { readonly kind: 'link-type'; readonly type: string } | { readonly kind: 'tool'; readonly name: string };

/** A contender: an underlay × an attachment under its catalog name. */
export interface Network {
  readonly name: string;
  /** One line for tables and `barewire networks`. */
  readonly what: string;
  readonly requires: readonly Requirement[];
  plan(request: NetworkRequest): readonly HostPlan[];
}
