import type { NodeVerdict } from './choose-nodes.js';
import type { PodNetwork } from './networks.js';
import type { ClusterNode, ClusterPod } from './objects.js';
import type { KubernetesObject } from './pod-objects.js';
import type { CpuShare, PodPlan } from './pods.js';
import type { Right } from './rights.js';

type OfRoles<T> = Readonly<Record<'client' | 'server', T>>;

/** What a study does on a cluster, before anything is created. */
export interface ClusterPlan {
  readonly context: string;
  readonly serverVersion: string;
  readonly namespace: string;
  readonly nodes: OfRoles<ClusterNode>;
  readonly verdicts: readonly NodeVerdict[];
  /** Pods of others on each node; null where this account may not list them. */
  readonly otherPods: OfRoles<readonly ClusterPod[] | null>;
  readonly networks: readonly PodNetwork[];
  readonly references: readonly string[];
  readonly pods: readonly PodPlan[];
  readonly cpus: OfRoles<CpuShare>;
  /** A policy of the namespace may deny what the pods send each other. */
  readonly needsPolicy: boolean;
  /** Rights that the study can do without. */
  readonly missingRights: readonly Right[];
  /** As they would be created, with the run's id `dryrun`. */
  readonly objects: readonly KubernetesObject[];
}
