import * as z from 'zod';

/** Which state a setting changes, and from when on it has an effect. */
const tuningScopeSchema = z.object({
  where: z.enum(['namespace', 'machine', 'device', 'process']),
  takesEffect: z.enum(['live', 'new-connections', 'process-start', 'boot']),
});
export type TuningScope = z.infer<typeof tuningScopeSchema>;

const common = {
  /** The knob that it belongs to: `rps`. */
  knob: z.string(),
  /** What it changes. A path as on the machine: `/proc/irq/265/smp_affinity_list`; for the other kinds a name that is unique in a plan. */
  path: z.string(),
  /** As it is written: `00000000,0003fdfe`. */
  value: z.string(),
  reason: z.string(),
  scope: tuningScopeSchema,
};
const cpus = z.array(z.number().int()).readonly();

/** One value that tuning gives to one thing on a machine. */
export const settingSchema = z.discriminatedUnion('kind', [
  /** A file of procfs or sysfs. What is read back may be formatted otherwise: leading zeros of masks, tabs, a list of choices. */
  z.object({ kind: z.literal('file'), ...common }),
  /** A setting that lasts while the file is open: an integer of 32 bits is written to it. */
  z.object({ kind: z.literal('held-file'), ...common }),
  /** A feature of a device, by its name for `ethtool -K`. The value is `on` or `off`. */
  z.object({ kind: z.literal('feature'), ...common, device: z.string(), feature: z.string() }),
  /** The root queueing discipline of a device, with its parameters as `tc qdisc add` takes them: `fq`, `netem delay 1ms`. */
  z.object({ kind: z.literal('qdisc'), ...common, device: z.string() }),
  /** Exempts TCP connections to and from these ports from connection tracking. */
  z.object({ kind: z.literal('notrack'), ...common, ports: z.array(z.number().int()).readonly() }),
  /** A table of nftables that tracks connections, with so many rules that match no packet. */
  z.object({ kind: z.literal('firewall'), ...common, rules: z.number().int() }),
  /** The CPUs of the server's workers or of the generator's threads. The value is their list. */
  z.object({ kind: z.literal('affinity'), ...common, process: z.enum(['server', 'generator']), cpus }),
]);
export type Setting = z.infer<typeof settingSchema>;

const path = z.string();
const device = z.string();
const names = z.array(z.string()).readonly();
const n = z.number();
const define = <Code extends string, Shape extends z.ZodRawShape>(code: Code, shape: Shape) =>
  z.object({ code: z.literal(code), ...shape });

/** Why a knob is not applicable, or what contradicts in a plan. `report/tuning-wording.ts` has the sentences. */
export const tuningFindingSchema = z.discriminatedUnion('code', [
  // The machine lacks it.
  define('setting-missing', { path }),
  define('setting-removed', { path, since: z.string() }),
  define('setting-inert', { path, since: z.string() }),
  define('setting-moved', { path, since: z.string(), to: z.string() }),
  define('value-unavailable', { path, value: z.string(), available: names }),
  define('no-interrupts', { device }),
  define('interrupts-unknown', { device, driver: z.string() }),
  define('managed-interrupts', { device, irqs: z.array(n).readonly() }),
  define('no-frequency-scaling', {}),
  define('no-idle-states', {}),
  define('no-conntrack', {}),
  // No effect by construction.
  define('single-cpu', {}),
  define('single-node', {}),
  define('queue-per-cpu', { device, queues: n, cpus: n }),
  define('no-cpus-left', { device, interruptCpus: cpus }),
  define('single-tx-queue', { device }),
  define('software-tx-queues', { device }),
  define('software-busy-poll', { device }),
  /** The settings are planned: they matter when connections are opened, but not under the load. */
  define('kept-alive', { path }),
  // In no arm of an ablation.
  /** Its namespaces share it, and the study may not set it before each slice. */
  define('machine-shared', {}),
  define('needs-reboot', {}),
  /** One generator loads all arms. */
  define('generator-shared', {}),
  /** All connections of the study have this congestion control. */
  define('pinned-by-study', { value: z.string() }),
  /** A design of two levels compares a knob's first value alone. */
  define('second-value', { value: z.string() }),
  // Conflicts inside a plan, or with the machine.
  define('interrupt-cpus-used', { cpus, processes: names }),
  define('irqbalance-runs', {}),
  define('limit-lowered', { path, from: z.string(), to: z.string() }),
  define('cpus-ignored', { knob: z.string(), cpus }),
]);
export type TuningFinding = z.infer<typeof tuningFindingSchema>;

/** What a profile sets on a machine. */
export const tuningPlanSchema = z.object({
  settings: z.array(settingSchema).readonly(),
  /** Knobs of the profile that do nothing for the load on this machine. A knob with `kept-alive` has settings all the same. */
  notApplicable: z.array(z.object({ knob: z.string(), finding: tuningFindingSchema })).readonly(),
  conflicts: z.array(tuningFindingSchema).readonly(),
});
export type TuningPlan = z.infer<typeof tuningPlanSchema>;

/** What a step set, and what is found now. */
export const verifiedSettingSchema = z.object({
  /** A path, or a feature or table by its name. */
  what: z.string(),
  wanted: z.string(),
  /** Before the first step; null where it is not known. */
  before: z.string().nullable(),
  /** Null when it is gone. */
  found: z.string().nullable(),
  holds: z.boolean(),
  why: z.string(),
  /** Running programs that change such settings; empty where it holds. */
  changers: z.array(z.string()),
});
/** What a step set, and what is found now. */
export type VerifiedSetting = z.infer<typeof verifiedSettingSchema>;

/** A setting that was changed after Barewire had written it, and that undoing left as it was found. */
export const changedSettingSchema = z.object({
  path: z.string(),
  before: z.string(),
  written: z.string(),
  found: z.string(),
});
export type ChangedSetting = z.infer<typeof changedSettingSchema>;

const knobValues = z.record(z.string(), z.union([z.string(), z.number()]));

/** Separates a network from the settings that its hosts get in an ablation: `host@all`. */
export const ARM = '@';
/** `host` of `host@all`; a name without an arm is the network's own. */
export const networkOfArm = (name: string): string => name.split(ARM)[0] ?? name;

/** What an ablation compares: an arm with a knob and one without it, over one network. */
const effectSchema = z.object({
  network: z.string(),
  /** `all` for the whole profile. */
  knob: z.string(),
  value: z.string(),
  /**
   * The knob alone over nothing; everything over everything without the knob; everything over nothing; all arms with the knob over
   * all without it.
   */
  kind: z.enum(['alone', 'left-out', 'all', 'main']),
  /** Names of measured networks; of `main`, a name for the effect. */
  arm: z.string(),
  against: z.string(),
});
export type AblationEffect = z.infer<typeof effectSchema>;

/** What is compared, and knobs of the profile that are in no arm, and why. */
export const ablationSchema = z.object({
  effects: z.array(effectSchema).readonly(),
  omitted: z.array(z.object({ knob: z.string(), finding: tuningFindingSchema })).readonly(),
});

/** The tuning of a study's hosts. */
export const studyTuningSchema = z.object({
  profile: z.string(),
  /** The values of knobs by measured network; one that is not named is not tuned. */
  arms: z.record(z.string(), knobValues),
  ablation: ablationSchema.optional(),
  /** Whether settings that all hosts of one machine share are made too. */
  machine: z.boolean(),
});
export type StudyTuning = z.infer<typeof studyTuningSchema>;

/** What tuning did to one host for one network, by the end of the load. */
export const tunedHostSchema = z.object({
  network: z.string(),
  role: z.enum(['client', 'server', 'machine']),
  /** Those that did not hold in some restart are kept so. */
  settings: z.array(verifiedSettingSchema),
  notApplicable: z.array(z.object({ knob: z.string(), finding: tuningFindingSchema })).readonly(),
  /** Knobs of the machine, which its namespaces share. */
  ofMachine: z.array(z.string()).readonly(),
});
export type TunedHost = z.infer<typeof tunedHostSchema>;
