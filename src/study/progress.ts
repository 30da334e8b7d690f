import type { NetworkStatus, PlannedTrial, TrialRecord, WorkloadName } from '../schema/index.js';

/** What happens in a study, as it happens, for whoever shows it. */
export type StudyEvent =
  | { readonly kind: 'restored'; readonly hosts: readonly string[]; readonly steps: number }
  | { readonly kind: 'probed'; readonly networks: readonly NetworkStatus[] }
  | { readonly kind: 'maximum'; readonly workload: WorkloadName; readonly rps: number | null }
  | {
      readonly kind: 'planned';
      readonly directory: string;
      readonly trials: number;
      readonly measured: number;
    }
  | {
      /** The blocks are done; for so many networks and workloads the maximum is searched now. */
      readonly kind: 'searching';
      readonly searches: number;
    }
  | {
      readonly kind: 'trial-started';
      readonly planned: PlannedTrial;
      readonly place: number;
      /** Null in a search, which ends when it knows enough. */
      readonly of: number | null;
      /** Null before the first trial has shown how long one takes. */
      readonly leftMs: number | null;
    }
  | { readonly kind: 'trial-ended'; readonly record: TrialRecord; readonly p99Ms: number | null };

export type OnStudyEvent = (event: StudyEvent) => void;
