import { openMachine, type Machine } from '../machine/index.js';
import {
  bug,
  topologySchema,
  type ResolvedStudy,
  type Topology,
  type TunedHost,
  type TuningPlan,
  type VerifiedSetting,
} from '../schema/index.js';
import {
  findTestbedKind,
  onBothHosts,
  type Host,
  type HostRole,
  type PlannedHost,
  type Testbed,
} from '../testbed/index.js';
import { KNOB_FILES, planTuning, tuningSteps, type KnobValue } from '../tuning/index.js';
import { readCongestionControls } from './congestion-controls.js';
import type { StationPlan } from './plan-types.js';
import { SwitchedMachine } from './switched-machine.js';

/** What is tuned of a station: its hosts before its network is set up, its containers after. */
type Tuned = Pick<StationPlan, 'network' | 'role' | 'port'>;

/** Tunes the hosts of a study, and compares the settings after the load. Hosts that stations share are tuned once. */
export class TuningOfStudy implements AsyncDisposable {
  /** Whether the arms of an ablation have the same hosts. */
  readonly switchesHosts: boolean;
  readonly #study: ResolvedStudy;
  /** Namespaces of one machine are made alike: one of them shows what all have. */
  readonly #topologies = new Map<HostRole, Promise<Topology>>();
  readonly #plans = new Map<string, Promise<TuningPlan>>();
  readonly #tuned = new WeakSet<Testbed>();
  readonly #records = new Map<string, TunedHost>();
  /** By the same keys, what the open connections had. */
  readonly #connections = new Map<string, VerifiedSetting>();
  /** This machine, whose settings its namespaces share, where the study sets them. */
  #machine: Machine | null = null;
  #machineOf: { readonly topology: Topology; readonly host: PlannedHost } | null = null;
  /** This machine, or hosts that all arms of an ablation share. */
  readonly #switched = new Map<TunedHost['role'], SwitchedMachine>();

  /** @param before the records of a study that is resumed */
  constructor(study: ResolvedStudy, before: readonly TunedHost[] = []) {
    this.#study = study;
    this.switchesHosts =
      study.tuning?.ablation !== undefined && findTestbedKind(study.testbed).sharesHosts !== 'never';
    for (const one of before) this.#records.set(`${one.network}/${one.role}`, one);
  }

  /** What was set, and whether it held; one entry for each network and role. */
  get records(): TunedHost[] {
    return [...this.#records].map(([key, host]) => {
      const ofConnections = this.#connections.get(key);
      if (ofConnections === undefined) return host;
      const others = host.settings.filter(({ what }) => what !== ofConnections.what);
      return { ...host, settings: [...others, ofConnections] };
    });
  }

  /** Sets what belongs to the hosts themselves. */
  async tuneHosts(testbed: Testbed, station: Tuned): Promise<void> {
    if (this.switchesHosts || this.#armOf(station) === null || this.#tuned.has(testbed)) return;
    this.#tuned.add(testbed);
    await onBothHosts(testbed, async (host) => {
      const { settings } = await this.#planOf(station, host);
      const own = settings.filter(({ scope }) => scope.where !== 'machine' || this.#isMachine(host));
      await host.machine.apply(tuningSteps(own));
    });
  }

  /** Sets what belongs to namespaces in those of the containers. */
  async tuneContainers(
    testbed: Testbed,
    station: Tuned,
    netns: Readonly<Record<HostRole, string | null>>,
  ): Promise<void> {
    if (this.#armOf(station) === null) return;
    await onBothHosts(testbed, async (host) => {
      const container = netns[host.role];
      if (container === null) return;
      const { settings } = await this.#planOf(station, host);
      const own = settings.filter(({ scope }) => scope.where === 'namespace');
      await host.machine.apply(tuningSteps(own, [container]));
    });
  }

  /** Compares the congestion control of an arm with that of its connections, before these are closed. */
  async verifyConnections(
    testbed: Testbed,
    station: Tuned,
    netns: Readonly<Record<HostRole, string | null>>,
  ): Promise<void> {
    const wanted = this.#armOf(station)?.['congestion-control'];
    if (wanted === undefined) return;
    await onBothHosts(testbed, async ({ machine, role }) => {
      const side = role === 'server' ? 'sport' : 'dport';
      const names = await readCongestionControls(machine, netns[role], side, station.port);
      const key = `${station.network}/${role}`;
      if (names.length === 0 || this.#connections.get(key)?.holds === false) return;
      const found = names.join(', ');
      this.#connections.set(key, {
        what: 'congestion control of the open connections',
        wanted: String(wanted),
        before: null,
        found,
        holds: found === wanted,
        why: 'congestion-control: what ss shows of the connections under load',
        changers: [],
      });
    });
  }

  /** Compares the settings with the hosts, before they are restored. */
  async verify(testbed: Testbed, station: Tuned): Promise<void> {
    if (this.switchesHosts || this.#armOf(station) === null) return;
    await onBothHosts(testbed, async (host) => {
      const { settings, notApplicable } = await this.#planOf(station, host);
      const ofMachine =
        this.#isMachine(host) || this.#machine !== null
          ? []
          : settings.filter(({ scope }) => scope.where === 'machine').map(({ knob }) => knob);
      this.#record(
        { network: station.network, role: host.role, notApplicable, ofMachine: [...new Set(ofMachine)] },
        await host.machine.verify(),
      );
    });
  }

  /** Opens this machine, whose settings all of its namespaces share, where the study says so. */
  async openMachine(run: string, host: PlannedHost): Promise<void> {
    if (this.#study.tuning?.machine !== true) return;
    const machine = await openMachine({ run, host: 'tuning', netns: null });
    this.#machine = machine;
    const topology = await readTopologyOf(machine, host.bundle, null);
    this.#machineOf = { topology: { ...topology, devices: withVeth(topology, host.net.dev) }, host };
  }

  /**
   * Sets what the arm of a station wants of what others share, and restores what another arm has set: before the station is set up,
   * for what its processes and connections take over, and before each of its slices.
   */
  async switchTo(station: StationPlan, testbed: Testbed): Promise<void> {
    if (this.switchesHosts) {
      await onBothHosts(testbed, async (host) => {
        const { settings } = await this.#planOf(station, host);
        // Connections keep the congestion control that their route had when they were opened.
        const pins = station.kind === 'planned' ? station.pins[host.role] : [];
        await this.#switchedOf(host.role, host.machine).setFor(station.network, [
          ...tuningSteps(settings),
          ...pins,
        ]);
      });
      return;
    }
    const [machine, place] = [this.#machine, this.#machineOf];
    if (machine === null || place === null) return;
    const { topology, host } = place;
    const roles = { topology, device: host.net.dev, ports: [], cpus: host.cpus };
    const { settings } = this.#plan(this.#armOf(station) ?? {}, roles);
    const ofMachine = settings.filter(({ scope }) => scope.where === 'machine');
    await this.#switchedOf('machine', machine).setFor(station.network, tuningSteps(ofMachine));
  }

  #switchedOf(role: TunedHost['role'], machine: Machine): SwitchedMachine {
    const made =
      this.#switched.get(role) ??
      new SwitchedMachine(machine, async (network, settings) => {
        if (this.#armOf({ network }) === null) return;
        // The plan of hosts that arms share has been made for its steps.
        const plan = await this.#plans.get(`${network}/contender/${role}`);
        this.#record({ network, role, notApplicable: plan?.notApplicable ?? [], ofMachine: [] }, settings);
      });
    this.#switched.set(role, made);
    return made;
  }

  /** After a restart each arm is compared again. */
  async endRestart(): Promise<void> {
    for (const switched of this.#switched.values()) await switched.endRestart();
  }

  /** Restores the machine. */
  async [Symbol.asyncDispose](): Promise<void> {
    await this.#machine?.[Symbol.asyncDispose]();
  }

  /** Settings that did not hold once are kept so. */
  #record(host: Omit<TunedHost, 'settings'>, verified: readonly VerifiedSetting[]): void {
    const key = `${host.network}/${host.role}`;
    const lost = new Map(
      (this.#records.get(key)?.settings ?? []).filter(({ holds }) => !holds).map((one) => [one.what, one]),
    );
    this.#records.set(key, { ...host, settings: verified.map((one) => lost.get(one.what) ?? one) });
  }

  #armOf({ network }: Pick<Tuned, 'network'>): Readonly<Record<string, KnobValue>> | null {
    const arm = this.#study.tuning?.arms[network];
    return arm === undefined || Object.keys(arm).length === 0 ? null : arm;
  }

  /** A host that is a machine of its own, and not a namespace of this one. */
  #isMachine = ({ netns }: Host): boolean => netns === undefined;

  #planOf(station: Tuned, host: Host): Promise<TuningPlan> {
    const key = `${station.network}/${station.role}/${host.role}`;
    const made =
      this.#plans.get(key) ??
      this.#topologyOf(host).then((topology) =>
        this.#plan(this.#armOf(station) ?? {}, {
          topology,
          device: host.net.dev,
          ports: [station.port],
          cpus: host.cpus,
        }),
      );
    this.#plans.set(key, made);
    return made;
  }

  #plan(
    knobs: Readonly<Record<string, KnobValue>>,
    {
      topology,
      device,
      ports,
      cpus,
    }: {
      readonly topology: Topology;
      readonly device: string;
      readonly ports: readonly number[];
      readonly cpus: readonly number[];
    },
  ): TuningPlan {
    const { tuning, connections } = this.#study;
    return planTuning({
      topology,
      profile: {
        name: tuning?.profile ?? 'none',
        what: '',
        // The plan of a station pins the congestion control by its routes: a namespace may not use one that its machine restricts.
        knobs: Object.fromEntries(
          Object.entries(knobs)
            .filter(([knob]) => knob !== 'congestion-control')
            .map(([knob, value]) => [knob, [value]]),
        ),
      },
      roles: { connections, ports, interface: device, serverCpus: cpus, generatorCpus: cpus },
    });
  }

  #topologyOf({ role, machine, bundle, netns }: Host): Promise<Topology> {
    const read = this.#topologies.get(role) ?? readTopologyOf(machine, bundle, netns ?? null);
    this.#topologies.set(role, read);
    return read;
  }
}

/** Reads a host's topology with its own /sys: that of a namespace has other links than its machine's. */
async function readTopologyOf(
  machine: Machine,
  bundle: readonly string[],
  netns: string | null,
): Promise<Topology> {
  const inside = netns === null ? [] : ['ip', 'netns', 'exec', netns];
  const { code, stdout, stderr } = await machine.run([...inside, ...bundle, 'topology', ...KNOB_FILES]);
  if (code !== 0) throw bug(`${machine.name}: its topology could not be read: ${stderr}`);
  return topologySchema.parse(JSON.parse(stdout));
}

/** A namespace's device is a veth with one queue. */
export const withVeth = ({ devices, cpus }: Topology, name: string): Topology['devices'] => [
  ...devices.filter((device) => device.name !== name),
  {
    name,
    driver: null,
    node: null,
    rxQueues: [{ queue: 0, irq: null, rpsCpus: cpus.length === 0 ? null : [], rpsFlows: 0 }],
    txQueues: [{ queue: 0, irq: null, xpsCpus: null }],
    interrupts: [],
  },
];
