import type * as z from 'zod';
import type { Machine } from '../machine/index.js';
import type { GivenNetwork, HostPlan, IpVersion, NetworkHost } from '../network/index.js';
import type { Finding, Step } from '../schema/index.js';

export type HostRole = 'client' | 'server';

/** One machine of a testbed, as it is known before it is opened. */
export interface PlannedHost {
  readonly role: HostRole;
  readonly net: NetworkHost;
  /** The CPUs that the role may use: the generator's or the server's. */
  readonly cpus: readonly number[];
  /** The command that starts the bundle on the host: `[node, agent.mjs]`. */
  readonly bundle: readonly string[];
}

/** A host with the agent that drives it. */
export interface Host extends PlannedHost {
  readonly machine: Machine;
}

/** What opening a testbed will do, with symbols for what is known only then. */
export interface TestbedPlan {
  readonly hosts: Readonly<Record<HostRole, PlannedHost>>;
  /** Applied on this machine before the agents start. */
  readonly steps: readonly Step[];
}

/** Two hosts for a study. Disposing removes what was made for them. */
export interface Testbed extends AsyncDisposable {
  readonly kind: string;
  /** The run's id. */
  readonly run: string;
  readonly client: Host;
  readonly server: Host;
  /** What figures of this testbed do not show. */
  readonly limitations: readonly Finding[];
  /** The hosts are emulated, and so are their times. */
  readonly emulated?: boolean;
  /** Checks a network's plans before it is set up; rejects plans that would harm others on the hosts' segment. */
  checkPlans?(plans: readonly HostPlan[]): Promise<void>;
  /** Places a container of a given network on each host: nothing is built, so the plans have no steps. */
  placeContainers?(network: GivenNetwork): Promise<Readonly<Record<HostRole, HostPlan>>>;
}

export interface Wire {
  /** Bytes. */
  readonly mtu: number;
  /** Shaping of each direction in Mbit/s; null leaves the veth pair as fast as it is. */
  readonly rateMbps: number | null;
}

/** What a plan of a testbed depends on beside its kind's options. */
export interface PlanOptions {
  readonly wire: Wire;
  /** The version of IP of the hosts' addresses, and so of the containers'; 4 by default. */
  readonly ip?: IpVersion | undefined;
}

/** What every kind of testbed takes. */
export interface TestbedOptions extends PlanOptions {
  /** The run's id; a fresh one by default. */
  readonly run?: string;
  /** Checked between the parts of opening; an abort rolls back. */
  readonly signal?: AbortSignal;
}

/** One kind of testbed. Help, errors, locking and requirements derive from its entry. */
export interface TestbedKind<Options> {
  readonly name: string;
  /** What follows `--testbed`: `ssh:CLIENT,SERVER`. */
  readonly usage: readonly string[];
  readonly description: string;
  readonly optionsSchema: z.ZodType<Options>;
  /** Options from the text after `NAME:`, or null for the name alone; null when the text has another form. */
  parse(text: string | null): Options | null;
  /** Its hosts are made on this machine, which needs root, the study's tools and the machine's lock. */
  readonly madeHere: boolean;
  /** Its hosts are the user's own machines: a study asks before it loads them. */
  readonly usersMachines: boolean;
  /** Networks that its hosts already have; those of the catalog are built on any testbed with `plansNetworks`. */
  readonly givenNetworks: readonly GivenNetwork[];
  readonly plansNetworks: boolean;
  /** Reads what opening depends on and changes nothing. Needs no rights on this machine. */
  plan(options: Options, common: PlanOptions): Promise<TestbedPlan>;
  /**
   * Executes a plan of the same options. Rolls back when a part fails.
   * @throws BarewireError of that part; the signal's reason when it was aborted
   */
  open(plan: TestbedPlan, options: Options, common: TestbedOptions): Promise<Testbed>;
}
