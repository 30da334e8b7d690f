import { onBoth, type Pair } from '../types.js';
import { parseQuantity, type ClusterNode, type ClusterPod } from './objects.js';
import type { CpuShare, PodPlan } from './pods.js';

/** CPUs that each load container leaves to the rest of its pod, and the pods to the node's own daemons. */
const RESERVE_CPUS = 0.5;
const MOST_CPUS = 4;
/** A generator's thread and its main thread. */
const LEAST_GENERATOR_CPUS = 2;
/** Of burstable pods: room for the pods that start meanwhile, and the weight of one CPU at most. */
const [FREE_SHARE, LEAST_REQUEST, MOST_REQUEST] = [0.8, 0.05, 1];

/** Whole CPUs for each load container where they fit beside the requests of the other pods; otherwise shares of what is free. */
export function sharePodCpus(
  nodes: Pair<ClusterNode>,
  otherPods: Pair<readonly ClusterPod[] | null>,
  pods: readonly Pick<PodPlan, 'node'>[],
): Pair<CpuShare> {
  const free = onBoth((role) => {
    const taken = (otherPods[role] ?? [])
      .flatMap(({ spec }) => spec.containers)
      .reduce((sum, { resources }) => sum + parseQuantity(resources?.requests?.['cpu']), 0);
    const here = pods.filter(({ node }) => node === nodes[role]).length;
    // Where other pods are not visible, what they request is not known.
    return otherPods[role] === null
      ? null
      : { here, cpus: parseQuantity(nodes[role].status.allocatable['cpu']) - taken };
  });
  const wholeOf = (role: 'client' | 'server'): number => {
    const { here, cpus } = free[role] ?? { here: 1, cpus: 0 };
    return Math.min(MOST_CPUS, Math.floor((cpus - RESERVE_CPUS) / Math.max(1, here) - RESERVE_CPUS));
  };
  const fits = wholeOf('client') >= LEAST_GENERATOR_CPUS && wholeOf('server') >= 1;
  return onBoth((role) => {
    const { here, cpus } = free[role] ?? { here: 1, cpus: 0 };
    const share = Math.floor(((cpus * FREE_SHARE) / Math.max(1, here)) * 20) / 20;
    return {
      guaranteed: fits ? wholeOf(role) : null,
      requested: Math.min(Math.max(share, LEAST_REQUEST), MOST_REQUEST),
    };
  });
}
