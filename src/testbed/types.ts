import type * as z from 'zod';
import type { ClusterPlan } from './kubernetes/cluster-plan.js';
import type { Machine } from '../machine/index.js';
import type { GivenNetwork, HostPlan, IpVersion, NetworkHost } from '../network/index.js';
import type { NginxBuild } from '../server/index.js';
import type { DeployedNode, Environment, Finding, Step, TestbedChoice } from '../schema/index.js';

export type HostRole = 'client' | 'server';

/** One machine of a testbed before it is opened. */
export interface PlannedHost {
  readonly role: HostRole;
  readonly net: NetworkHost;
  /** The CPUs that the role may use: the generator's or the server's. */
  readonly cpus: readonly number[];
  /** The command that starts the bundle on the host: `[node, agent.mjs]`. */
  readonly bundle: readonly string[];
  /** The speed of its interface, Mbit/s; absent where none is reported. */
  readonly linkMbps?: number;
  /** Its memory; absent where it is not known yet. */
  readonly memoryBytes?: number;
  /** Its nginx; absent where it is the usual one, or where containers have another. */
  readonly nginx?: NginxBuild | undefined;
  /** Ports on which its other programs listen; absent where it has none. */
  readonly takenPorts?: readonly number[];
  /** Facts for the results that its agent does not report. */
  readonly facts?: Environment;
  /** Threads of the generator, left to the scheduler; absent: one on each of its CPUs, pinned. */
  readonly threads?: number;
}

/** A host with the agent that drives it. */
export interface Host extends PlannedHost {
  readonly machine: Machine;
  /** Its namespace by name, where the host is a namespace of this machine. */
  readonly netns?: string;
}

/** What opening a testbed does, with symbols for what is known only then. */
export interface TestbedPlan {
  readonly hosts: Readonly<Record<HostRole, PlannedHost>>;
  /** Applied on this machine before the agents start. */
  readonly steps: readonly Step[];
  /** Applied by the agents once they have started. */
  readonly hostSteps?: Pair<HostSteps>;
  /** The options with what planning has chosen, so that a resume opens the same hosts. */
  readonly options?: unknown;
  /** The cluster that was read, with the objects to create. */
  readonly cluster?: ClusterPlan;
  /** The network that node agents run on the hosts; absent where the study does not measure it. */
  readonly deployed?: DeployedPlan;
  /** Networks of the study that these hosts do not allow. */
  readonly unavailable?: readonly { readonly network: string; readonly finding: Finding }[];
  /** What disturbs a study on these hosts. */
  readonly warnings?: readonly Finding[];
  /** The reference, where it is not the usual one, and the networks that have another. */
  readonly reference?: string;
  readonly references?: Readonly<Record<string, string>>;
}

/** A given network that node agents run: nothing of it is built, and a container is attached on each host. */
export interface DeployedPlan {
  readonly nodes: Pair<DeployedNode>;
  /** One line for plans and reports. */
  readonly what: string;
  /** The network of the catalog that is the same, built by a study; null where the catalog has none. */
  readonly twin: string | null;
  /** Attach the containers. */
  readonly steps: Pair<readonly Step[]>;
}

/** What a host needs before its first network. */
export interface HostSteps {
  readonly kept: readonly Step[];
  /** Undone at once: what they leave in the directories of others stays. */
  readonly temporary: readonly Step[];
}

/** Two hosts for a study. Disposing removes what was created for them. */
export interface Testbed extends AsyncDisposable {
  readonly kind: string;
  /** The run's id. */
  readonly run: string;
  readonly client: Host;
  readonly server: Host;
  /** What results of this testbed do not show. */
  readonly limitations: readonly Finding[];
  /** Hosts that only some networks use, by the name under which study.json has their facts. */
  readonly otherHosts?: Readonly<Record<string, Machine>>;
  /** What a network of these hosts is, where it says more than the catalog. */
  describeNetwork?(name: string): string;
  /** True when the hosts are emulated, and their times with them. */
  readonly emulated?: boolean;
  /**
   * Checks a network's plans before it is set up. Rejects plans that would harm others on the hosts' segment.
   */
  checkPlans?(plans: readonly HostPlan[]): Promise<void>;
  /** Places a container of a given network on each host. Nothing is built, so the plans have no steps. */
  placeContainers?(network: GivenNetwork, use: NetworkUse): Promise<Placement>;
}

/** The reference is set up twice: its second set-up is the control. */
export type NetworkUse = 'measured' | 'control';

/** The containers of a given network, and what already runs there. */
export interface Placement {
  readonly plans: Pair<HostPlan>;
  /** Where the network's generator is started. Absent: the generator of the client enters the container's namespace. */
  readonly client?: {
    readonly machine: Machine;
    readonly generator: Step;
    /** Of a host that is not the testbed's client. */
    readonly cpus?: readonly number[];
  };
  /** A server that runs already. Absent: the study starts one in the container. */
  readonly server?: PlacedServer;
  /**
   * Observes which devices carry the packets of `burst`, which returns the number of its requests. Absent: the path is checked as that
   * of a planned network.
   */
  observePath?(request: () => Promise<void>, burst: () => Promise<number>): Promise<ObservedPath>;
}

/** The devices of each host that carried the packets of a network, from the container outwards. */
export type ObservedPath = Pair<readonly string[]>;

export interface PlacedServer {
  readonly machine: Machine;
  /** Of a host that is not the testbed's server. */
  readonly cpus?: readonly number[];
  /** The process of nginx and of its workers, as that machine sees them. */
  readonly pids: readonly [number, ...number[]];
  readonly address: string;
  readonly port: number;
  /** The file that counts how often a CPU quota stopped them; null without a quota. */
  readonly throttling?: string | null;
  /** @throws BarewireError `process-failed` when it has ended */
  assertRunning(): void | Promise<void>;
}

export interface Wire {
  /** Bytes. */
  readonly mtu: number;
  /** Limit of each direction in Mbit/s; null for none. */
  readonly rateMbps: number | null;
}

/** What the plan of a testbed depends on, beside the options of its kind. */
export interface PlanOptions {
  readonly wire: Wire;
  /** The version of IP of the hosts' addresses, and so of the containers'; 4 by default. */
  readonly ip?: IpVersion | undefined;
  /** The networks that will be set up; all that the testbed offers by default. */
  readonly networks?: readonly string[];
}

/** What every kind of testbed accepts. */
export interface TestbedOptions extends PlanOptions {
  /** The run's id; a fresh one by default. */
  readonly run?: string;
  /** Checked between the parts of opening. An abort rolls back. */
  readonly signal?: AbortSignal;
}

/** An entry of a spec's networks that is an object, and its place: `study.yaml: networks.2`. */
export interface DescribedNetwork {
  readonly entry: Readonly<Record<string, unknown>>;
  readonly place: string;
}

/** One kind of testbed. Help, errors, locking and requirements derive from its entry. */
export interface TestbedKind<Options> {
  readonly name: string;
  /** What follows `--testbed`: `ssh:CLIENT,SERVER`. */
  readonly usage: readonly string[];
  readonly description: string;
  readonly optionsSchema: z.ZodType<Options>;
  /** Parses the text after `NAME:`; null stands for the name alone. Returns null for any other form. */
  parse(text: string | null): Options | null;
  /**
   * True when its hosts are created on this machine, which requires root, the study's tools and the machine's
   * lock.
   */
  readonly madeHere: boolean;
  /** True when its hosts are the user's machines. A study asks for confirmation before it loads them. */
  readonly usersMachines: boolean;
  /**
   * Networks that its hosts already have. Networks of the catalog are built on any testbed with
   * `plansNetworks`.
   */
  readonly givenNetworks: readonly GivenNetwork[];
  /**
   * Adds networks that a spec describes by objects to the options. Absent: a spec only names networks.
   *
   * @throws BarewireError `bad-input` with the place in the spec
   */
  describeNetworks?(options: Options, entries: readonly DescribedNetwork[]): Options;
  /** The networks that options describe. */
  describedNetworks?(options: Options): readonly GivenNetwork[];
  readonly plansNetworks: boolean;
  /** Which set-ups share hosts: none (each station has its own), those of a restart, or all of a study. */
  readonly sharesHosts: 'never' | 'in-restart' | 'in-study';
  /** What setting up and tearing down the stations of a restart takes, ms. */
  readonly restartMs: number;
  /** True when others use the hosts: unless a study asks for maxima, it loads them with less than half of their CPU and link. */
  readonly spares: boolean;
  /** The networks of a preset here; by default the preset's own. */
  readonly presetNetworks?: readonly string[];
  /** True when each station has a generator process of its own; otherwise one process enters the namespaces of all. */
  readonly ownGenerators: boolean;
  /** Creates what the plan needs, where the user asked for it. Disposing removes it. */
  prepare?(options: Options): Promise<AsyncDisposable>;
  /**
   * Whose daemon makes the containers with `--containers docker`: the user's on each host, or one of Barewire's own, which may
   * also make docker0 for one network. Absent where there are none.
   */
  readonly dockerDaemon?: 'users' | 'own' | 'own-with-docker0';
  /** Reads what opening depends on. Changes nothing and needs no rights on this machine. */
  plan(options: Options, common: PlanOptions): Promise<TestbedPlan>;
  /**
   * Executes a plan of the same options. Rolls back when a part fails.
   *
   * @throws BarewireError of that part; the signal's reason after an abort
   */
  open(plan: TestbedPlan, options: Options, common: TestbedOptions): Promise<Testbed>;
  /** Deletes what ended runs left on the hosts. Absent: they are restored on each host. */
  undo?(options: Options): Promise<readonly EndedRun[]>;
}

/** A run that ended without its cleanup. `since` is UTC, ISO 8601. */
export interface EndedRun {
  readonly run: string;
  readonly place: string;
  readonly since: string;
}

/** An entry of the registry. Its options are checked when it is used. */
export interface RegisteredTestbed extends Omit<
  TestbedKind<unknown>,
  'parse' | 'optionsSchema' | 'undo' | 'prepare'
> {
  prepare(options: unknown): Promise<AsyncDisposable>;
  parse(text: string | null): TestbedChoice | null;
  undo: ((options: unknown) => Promise<readonly EndedRun[]>) | undefined;
  /** @throws BarewireError `bad-input` */
  check(options: unknown): TestbedChoice;
}

/** One value for the client and one for the server. */
export type Pair<T> = Readonly<Record<HostRole, T>>;

export const onBoth = <T>(make: (role: HostRole) => T): Pair<T> => ({
  client: make('client'),
  server: make('server'),
});

/** Waits for both, then throws the first failure, the client's before the server's. */
export async function both<T>(work: (role: HostRole) => Promise<T>): Promise<Pair<T>> {
  const [client, server] = await Promise.allSettled([work('client'), work('server')]);
  if (client.status === 'rejected') throw client.reason;
  if (server.status === 'rejected') throw server.reason;
  return { client: client.value, server: server.value };
}

/** Runs work on both hosts of a testbed at once. */
export const onBothHosts = <T>(hosts: Pair<Host>, work: (host: Host) => Promise<T>): Promise<Pair<T>> =>
  both((role) => work(hosts[role]));

/** Opens one for each role. When one fails, disposes the other and throws. */
export async function openBoth<T extends AsyncDisposable>(
  open: (role: HostRole) => Promise<T>,
): Promise<Pair<T>> {
  const [client, server] = await Promise.allSettled([open('client'), open('server')]);
  if (client.status === 'fulfilled' && server.status === 'fulfilled')
    return { client: client.value, server: server.value };
  for (const outcome of [client, server])
    if (outcome.status === 'fulfilled') await outcome.value[Symbol.asyncDispose]();
  throw [client, server].find((outcome) => outcome.status === 'rejected')?.reason;
}

/** Disposes both, and throws the first failure afterwards. */
export async function disposeBoth({ client, server }: Pair<AsyncDisposable>): Promise<void> {
  await both((role) => Promise.resolve({ client, server }[role][Symbol.asyncDispose]()));
}
