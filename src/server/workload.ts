import type { WorkloadName } from '../schema/index.js';

/** What a request asks for, and the expected response. */
export interface Workload {
  readonly name: WorkloadName;
  readonly path: string;
  readonly bodyBytes: number;
  /** The whole response on the wire, header and body; null where only the body is fixed. */
  readonly wireBytes: number | null;
}

const WORKLOADS: Readonly<Record<WorkloadName, Workload>> = {
  '350B': { name: '350B', path: '/350B', bodyBytes: 100, wireBytes: 350 },
  '4KB': { name: '4KB', path: '/4KB', bodyBytes: 4096, wireBytes: null },
};

/** The server responds with the address from which it received the request. */
export const ADDRESS_PATH = '/address';

export const workload = (name: WorkloadName): Workload => WORKLOADS[name];
export const allWorkloads = (): readonly Workload[] => Object.values(WORKLOADS);
