import type { NetworkStatus, PlannedSlice, SliceRecord, WorkloadName } from '../schema/index.js';

/** What happens in a study, as it happens, for whoever shows it. */
export type StudyEvent =
  | { readonly kind: 'restored'; readonly hosts: readonly string[]; readonly steps: number }
  | { readonly kind: 'probed'; readonly networks: readonly NetworkStatus[] }
  | { readonly kind: 'maximum'; readonly workload: WorkloadName; readonly rps: number | null }
  | {
      readonly kind: 'planned';
      readonly directory: string;
      readonly slices: number;
      readonly measured: number;
    }
  | {
      /** The restarts are done; for so many networks and workloads the maximum is searched now. */
      readonly kind: 'searching';
      readonly searches: number;
    }
  | {
      readonly kind: 'slice-started';
      readonly planned: PlannedSlice;
      readonly position: number;
      /** Null in a search, which ends when it knows enough. */
      readonly of: number | null;
      /** Null before the first slice has shown how long one takes. */
      readonly leftMs: number | null;
    }
  | { readonly kind: 'slice-ended'; readonly record: SliceRecord; readonly p99Ms: number | null };

export type OnStudyEvent = (event: StudyEvent) => void;
