import type { UndoneJournal } from '../machine/index.js';
import type { Finding, NetworkStatus, PlannedSlice, SliceRecord, WorkloadName } from '../schema/index.js';

/** The events of a study while it runs. */
export type StudyEvent =
  | { readonly kind: 'restored'; readonly undone: readonly UndoneJournal[] }
  | { readonly kind: 'probed'; readonly networks: readonly NetworkStatus[] }
  | { readonly kind: 'maximum'; readonly workload: WorkloadName; readonly rps: number | null }
  | {
      readonly kind: 'planned';
      readonly directory: string;
      readonly slices: number;
      readonly measured: number;
      readonly restarts: number;
      /** In each restart. */
      readonly rounds: number;
      readonly sliceMs: number;
      /** How long a slice takes with everything around its window. */
      readonly eachMs: number;
      /** What disturbs the study on its hosts. */
      readonly warnings: readonly Finding[];
    }
  | {
      /** The networks are set up, at the start of a restart or of a group in it. */
      readonly kind: 'restart';
      readonly restart: number;
      readonly of: number;
      readonly networks: readonly string[];
    }
  | {
      /** The rest of a restart is not measured: a host was lost. */
      readonly kind: 'host-lost';
      readonly restart: number;
      readonly message: string;
    }
  | {
      /** The first restart has shown that these networks move the reference beside them: each gets a group of its own. */
      readonly kind: 'apart';
      readonly networks: readonly string[];
    }
  | {
      /** The study has reached its precision and stops before its time is over. */
      readonly kind: 'precise';
      readonly restart: number;
      readonly of: number;
    }
  | {
      /** The restarts are done. The maximum is searched for this number of networks × workloads. */
      readonly kind: 'searching';
      readonly searches: number;
    }
  | {
      readonly kind: 'slice-started';
      readonly planned: PlannedSlice;
      readonly position: number;
      /** Null in a search, whose length is open. */
      readonly of: number | null;
      /** Null until the first slice has shown how long one takes. */
      readonly leftMs: number | null;
    }
  | { readonly kind: 'slice-ended'; readonly record: SliceRecord; readonly p99Ms: number | null };

export type OnStudyEvent = (event: StudyEvent) => void;

/** Counts slices and estimates the time left from those that were run. */
export class Progress {
  /** The slices of the plan, which can change after the first restart. */
  of: number;
  readonly measured: number;
  readonly #start = performance.now();
  #position: number;

  constructor(of: number, measured: number) {
    this.of = of;
    this.measured = measured;
    this.#position = measured;
  }

  /** The slices that have not begun. */
  get left(): number {
    return this.of - this.#position;
  }

  next(): { readonly position: number; readonly of: number; readonly leftMs: number | null } {
    const run = this.#position - this.measured;
    const eachMs = run === 0 ? null : (performance.now() - this.#start) / run;
    const leftMs = eachMs === null ? null : eachMs * (this.of - this.#position);
    this.#position++;
    return { position: this.#position, of: this.of, leftMs };
  }
}
