import { onBoth, type Pair } from '../types.js';
import { parseCpus, type ClusterNode, type ClusterPod } from './objects.js';
import type { PodPlan } from './pods.js';

/** CPUs that each load container leaves to the rest of its pod and to the node's own daemons. */
const RESERVE_CPUS = 0.5;
const MOST_CPUS = 4;
/** A generator's thread and its main thread. */
const LEAST_GENERATOR_CPUS = 2;

/** Whole CPUs for each load container where they fit beside the requests of the other pods; otherwise null. */
export function shareCpus(
  nodes: Pair<ClusterNode>,
  otherPods: Pair<readonly ClusterPod[] | null>,
  pods: readonly PodPlan[],
): Pair<number | null> {
  const shares = onBoth((role) => {
    const others = otherPods[role];
    if (others === null) return 0;
    const taken = others
      .flatMap(({ spec }) => spec.containers)
      .reduce((sum, { resources }) => sum + parseCpus(resources?.requests?.['cpu']), 0);
    const here = pods.filter(({ node }) => node === nodes[role]).length;
    const free = parseCpus(nodes[role].status.allocatable['cpu']) - taken - RESERVE_CPUS;
    return Math.min(MOST_CPUS, Math.floor(free / Math.max(1, here) - RESERVE_CPUS));
  });
  return shares.client >= LEAST_GENERATOR_CPUS && shares.server >= 1
    ? shares
    : { client: null, server: null };
}
