import type { Machine } from '../machine/index.js';
import type { HostPlan, IpVersion, NetworkHost } from '../network/index.js';
import type { Finding } from '../schema/index.js';

export type HostRole = 'client' | 'server';

/** One machine of a testbed, with the agent that drives it. */
export interface Host {
  readonly role: HostRole;
  readonly machine: Machine;
  readonly net: NetworkHost;
  /** The CPUs that the role may use: the generator's or the server's. */
  readonly cpus: readonly number[];
}

/** Where a study runs. Disposing takes the hosts away. */
export interface Testbed extends AsyncDisposable {
  readonly kind: 'netns' | 'vm' | 'ssh';
  /** The run's id. */
  readonly run: string;
  readonly client: Host;
  readonly server: Host;
  /** What figures of this testbed do not show. */
  readonly limitations: readonly Finding[];
  /** The hosts are emulated, and so are their times. */
  readonly emulated?: boolean;
  /** Asked before a network goes up; rejects where its plans would harm others on the hosts' segment. */
  checkPlans?(plans: readonly HostPlan[]): Promise<void>;
}

export interface Wire {
  /** Bytes. */
  readonly mtu: number;
  /** Shaping of each direction in Mbit/s; null leaves the veth pair as fast as it is. */
  readonly rateMbps: number | null;
}

/** `HOST`, `USER@HOST` or a name of ~/.ssh/config, each with `/DEV` after it where the data interface is to be that one. */
export interface SshHosts {
  readonly client: string;
  readonly server: string;
  /** A configuration for ssh in the place of the user's. */
  readonly config?: string;
}

export interface TestbedOptions {
  /** The run's id; a fresh one by default. */
  readonly run?: string;
  readonly wire: Wire;
  /** The version of IP of the hosts' addresses, and so of the containers'; 4 by default. */
  readonly ip?: IpVersion | undefined;
  /** vm: the guests' kernel, a bzImage; by default this machine's own where it will do, else Debian's. */
  readonly kernel?: string | undefined;
  /** ssh: the two machines. */
  readonly hosts?: SshHosts | undefined;
  /** Checked between the parts of opening; what was made by then is taken away again. */
  readonly signal?: AbortSignal;
}
