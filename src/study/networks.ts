import type { NetworkStatus } from '../schema/index.js';

/** The networks to measure. One with an inconclusive probe is tried, and fails with its own reason. */
export const measurable = (statuses: readonly NetworkStatus[]): readonly string[] =>
  statuses.filter(({ support }) => support !== 'no').map(({ name }) => name);
