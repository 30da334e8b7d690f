import type { HostPlan } from '../network/index.js';
import type { BarewireError } from '../schema/index.js';
import {
  type Caveat,
  type LoadPlan,
  type Rate,
  type ResolvedStudy,
  type Step,
  type WorkloadName,
} from '../schema/index.js';
import type { ServerPlan } from '../server/index.js';
import type { Pair, RegisteredTestbed, TestbedPlan } from '../testbed/index.js';
import type { Station } from './groups.js';
import type { DrawnSlice } from './plan-slices.js';

/**
 * Everything that a study does, as data. `study --dry-run` prints it, and the runner executes it with its
 * symbols bound: the run's id, exchanged keys, and the reference's maximum, on which some rates depend.
 */
export interface StudyPlan {
  readonly study: ResolvedStudy;
  /** The hosts, and the steps on this machine that make them. */
  readonly testbed: TestbedPlan;
  /** `never`: each station has hosts of its own, made by these steps under a run id of their own. */
  readonly sharesHosts: RegisteredTestbed['sharesHosts'];
  readonly stations: readonly StationPlan[];
  /** Starts the generator on the client, one process in each restart for all of its slices; null where each station has its own. */
  readonly generator: Step | null;
  /** Before the first restart: the reference's maximum of each workload that needs it. */
  readonly maxima: readonly MaximumPlan[];
  readonly restarts: readonly RestartPlan[];
  readonly retries: RetryLimits;
  /** The search for each network's maximum after the restarts; null where the study has none. */
  readonly search: SearchPlan | null;
}

/** Set up in each restart, and torn down at its end or that of its group, newest step first. */
export type StationPlan = Station & {
  readonly what: string;
  /** Where the server listens in its container. */
  readonly port: number;
  readonly caveat?: Caveat;
} & (
    | {
        readonly kind: 'planned';
        readonly hosts: Pair<HostPlan>;
        /** Pin the congestion control, after the network's own steps, which alone are its setup cost. */
        readonly pins: Pair<readonly Step[]>;
        readonly server: ServerPlan;
        /** Starts the station's own generator; null where a study has one for all. */
        readonly generator: Step | null;
      }
    /** The testbed places the containers, by these steps where it makes them; the server's address is known then. */
    | { readonly kind: 'given'; readonly steps: Pair<readonly Step[]> | null }
    | { readonly kind: 'impossible'; readonly error: BarewireError }
  );

/** A load whose rate may be a share of a maximum that is not known yet. */
export type LoadTemplate = Omit<LoadPlan, 'mode'> & {
  readonly mode:
    | { readonly kind: 'closed' }
    | { readonly kind: 'open'; readonly rate: Rate; readonly arrival: ResolvedStudy['arrival'] };
};

export interface SlicePlan extends DrawnSlice {
  readonly load: LoadTemplate;
  /** Steps of an external generator on the client, after those of the network; none for Barewire's own. */
  readonly generator: readonly Step[];
}
export interface RestartPlan {
  readonly restart: number;
  readonly groups: readonly GroupPlan[];
}

/** Stations that are set up together, and their slices in order. */
interface GroupPlan {
  readonly stations: readonly Station[];
  readonly slices: readonly SlicePlan[];
}

export interface MaximumPlan {
  readonly workload: WorkloadName;
  readonly network: string;
  /** `closed-loop`: the median of these loads' rates; `estimated`: predicted from the CPU time at lower rates, by windows of the load. */
  readonly kind: 'closed-loop' | 'estimated';
  /** Run one after another over the same network. */
  readonly loads: readonly LoadTemplate[];
}

/** A slice that is invalid by the self-check is kept and measured again. */
interface RetryLimits {
  readonly perSlice: number;
  readonly inAll: number;
}

interface SearchPlan {
  readonly networks: readonly string[];
  readonly workloads: readonly WorkloadName[];
  /** For each network and workload. */
  readonly mostSlices: number;
  readonly durationMs: number;
}
