/** What one valid slice measured. */
export interface SliceFigures {
  /** The second set-up of the reference is `host-control`. */
  readonly network: string;
  readonly workload: string;
  readonly rateRps: number;
  readonly rateOfMax: number | null;
  readonly requests: number;
  /** Null where the slice has too few requests. */
  readonly p50Ms: number | null;
  readonly p99Ms: number | null;
  /** CPU time of both sides per request, microseconds; null where it could not be read. */
  readonly cpuUs: number | null;
}
