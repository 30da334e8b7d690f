import { BarewireError, type ErrorCode } from '../schema/index.js';

/** A failure of a network: the others continue. */
export const isOutcome = (error: unknown): error is BarewireError =>
  error instanceof BarewireError && !isLostHost(error);

/** Failures of hosts that the next restart makes anew. */
const OF_HOSTS: readonly ErrorCode[] = [
  'agent-lost',
  'agent-protocol',
  'host-unreachable',
  'cluster-refused',
  'pod-failed',
  'timed-out',
];

/** A failure that ends a restart where the next one makes new hosts. */
export const endsRestart = (error: unknown): error is BarewireError =>
  error instanceof BarewireError && OF_HOSTS.includes(error.code);

export const isLostHost = (error: unknown): error is BarewireError =>
  error instanceof BarewireError && error.code === 'agent-lost';
