import type { NetworkDevice, Setting, Topology, TuningFinding, TuningScope } from '../schema/index.js';

/** What runs on the machine, as far as settings depend on it. */
export interface TuningRoles {
  /** Connections that the generator keeps open. */
  readonly connections: number;
  /** The server's ports. */
  readonly ports: readonly number[];
  /** The device that carries the load. */
  readonly interface: string;
  /** Where the testbed has chosen the CPUs already. */
  readonly serverCpus?: readonly number[];
  readonly generatorCpus?: readonly number[];
}

/** A number, or the name of a rule or choice, or a list of CPUs. */
export type KnobValue = string | number;

/** The values that a knob takes. */
export interface KnobValues {
  /** `0 to 200`, `always, madvise or never`. */
  readonly usage: string;
  /** What `on` means; null where a value has to be chosen. */
  readonly on: KnobValue | null;
  /** Null for a value that the knob does not take. */
  readonly parse: (value: KnobValue) => KnobValue | null;
}

/** What a knob is planned from. */
export interface Situation {
  readonly topology: Topology;
  readonly device: NetworkDevice;
  readonly roles: TuningRoles;
  /** The CPU that serves the interrupt of each queue of the device, by the queue's number; empty without interrupts. */
  readonly homes: readonly number[];
  /** Those of them that are certain: pinned by the plan, or the only CPU of an interrupt now. */
  readonly serving: readonly number[];
  /** The physical cores by their first online thread, without isolated ones. */
  readonly cores: readonly number[];
}

/** A setting without its knob, which the plan adds. Its scope is the knob's unless it has its own. */
export type PlannedSetting = WithoutKnob<Setting>;
type WithoutKnob<S> = S extends Setting
  ? Omit<S, 'knob' | 'scope'> & { readonly scope?: TuningScope }
  : never;

/** What a knob does on a machine. A finding without settings: not applicable. */
export interface KnobPlan {
  readonly settings: readonly PlannedSetting[];
  readonly finding?: TuningFinding;
  readonly conflicts?: readonly TuningFinding[];
}

/** One thing that can be tuned: a declaration, and a pure function from a machine to settings. */
export interface Knob {
  readonly name: string;
  /** What it sets, without a full stop. */
  readonly what: string;
  /** Why it helps, one sentence. */
  readonly why: string;
  readonly scope: TuningScope;
  readonly values: KnobValues;
  /** The files whose presence and value it depends on. */
  readonly files?: readonly string[];
  readonly plan: (situation: Situation, value: KnobValue) => KnobPlan;
}

/** Knobs with the values that they get. A knob that is not named stays as it is. */
export interface Profile {
  readonly name: string;
  readonly what: string;
  /** The first value is planned. An ablation compares all. */
  readonly knobs: Readonly<Record<string, readonly [KnobValue, ...KnobValue[]]>>;
}
