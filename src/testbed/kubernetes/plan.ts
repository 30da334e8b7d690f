import * as z from 'zod';
import { machineError, type Finding } from '../../schema/index.js';
import { onBoth, type Pair, type PlannedHost, type PlanOptions, type TestbedPlan } from '../types.js';
import { chooseNodes } from './choose-nodes.js';
import type { ClusterPlan } from './cluster-plan.js';
import { readContext } from './context.js';
import { sharePodCpus } from './cpu-share.js';
import { DRY_RUN, DRY_RUN_UID, dryRun } from './dry-run.js';
import { Kubectl } from './kubectl.js';
import { findPodNetwork, POD_NETWORKS, type PodNetwork } from './networks.js';
import {
  internalIp,
  nodeListSchema,
  parseQuantity,
  podListSchema,
  type ClusterNode,
  type ClusterPod,
} from './objects.js';
import type { KubernetesOptions } from './options.js';
import { ownedObjects, ownerObject } from './pod-objects.js';
import { pairOf, planPods } from './pods.js';
import { requireQuota } from './quota.js';
import { findMissingRights, mayUse, requireRights } from './rights.js';

const versionSchema = z.object({ serverVersion: z.object({ gitVersion: z.string() }) });
const policyListSchema = z.object({ items: z.array(z.object({ metadata: z.object({ name: z.string() }) })) });

/** Reads the cluster, chooses the nodes and checks by the API server's own dry run that the objects would be accepted. */
export async function planKubernetesTestbed(
  options: KubernetesOptions,
  { ip = 4, networks: names = POD_NETWORKS.map(({ name }) => name) }: PlanOptions,
): Promise<TestbedPlan> {
  const { context, namespace } = await readContext(options);
  const kubectl = new Kubectl({ context, namespace });
  const [{ serverVersion }, missingRights, listedNodes, policies] = await Promise.all([
    kubectl.json(['version'], versionSchema),
    findMissingRights(kubectl, namespace),
    kubectl.jsonOrNull(['get', 'nodes'], nodeListSchema),
    kubectl.jsonOrNull(['get', 'networkpolicies'], policyListSchema),
  ]);
  requireRights(missingRights, namespace);
  const wanted = names.flatMap((name) => findPodNetwork(name) ?? []);
  const { client, server, verdicts } = chooseNodes(
    listedNodes?.items ?? assumedNodes(options),
    options.nodes,
    wanted.every(({ onOneNode }) => onOneNode),
  );
  const nodes: Pair<ClusterNode> = { client, server };
  const [ofClient, ofServer] = mayUse(missingRights, 'pods', 'cluster')
    ? await Promise.all([client, server].map((node) => podsOn(kubectl, node)))
    : [null, null];
  const otherPods: Pair<readonly ClusterPod[] | null> = {
    client: ofClient ?? null,
    server: ofServer ?? null,
  };
  const servicesAllowed = mayUse(missingRights, 'services');
  const usable = wanted.filter(({ to }) => to === 'pod' || servicesAllowed);
  const needsPolicy = (policies?.items.length ?? 0) > 0 && mayUse(missingRights, 'networkpolicies');
  const draft = (chosen: readonly PodNetwork[], references: readonly string[]) => {
    const cpus = sharePodCpus(nodes, otherPods, planPods(DRY_RUN, chosen, references, nodes, UNSHARED));
    const pods = planPods(DRY_RUN, chosen, references, nodes, cpus);
    const owned = { run: DRY_RUN, uid: DRY_RUN_UID, options };
    const owner = ownerObject(DRY_RUN, pods, ip, {
      startedAt: '',
      host: '',
      pid: 0,
      startTime: null,
    });
    return { pods, cpus, owner, owned: ownedObjects(owned, pods, chosen, ip, needsPolicy) };
  };
  let chosen = usable;
  let references = referencesOf(usable);
  let drafted = draft(chosen, references);
  const refusedPods = await dryRun(kubectl, drafted.owner, drafted.owned);
  const refusal = [...refusedPods.values()][0];
  const hostPods = drafted.pods.filter(({ hostNetwork }) => hostNetwork).map(({ key }) => key);
  const onlyHost = [...refusedPods.keys()].every((key) => hostPods.includes(key));
  if (refusal !== undefined) {
    chosen = usable.filter((network) => !isRefused(network, refusedPods));
    if (!onlyHost || chosen.length === 0) throw podRefused(refusal, onlyHost);
    references = referencesOf(chosen);
    drafted = draft(chosen, references);
  }
  await requireQuota(kubectl, drafted.owned);
  const unavailable = [
    ...wanted
      .filter((network) => !chosen.includes(network))
      .map(({ name, to }) => ({
        network: name,
        finding: (to !== 'pod' && !servicesAllowed
          ? { code: 'right-missing', right: 'create services' }
          : { code: 'host-network-refused', detail: refusal ?? '' }) satisfies Finding,
      })),
  ];
  const cluster: ClusterPlan = {
    context,
    serverVersion: serverVersion.gitVersion,
    namespace,
    nodes,
    verdicts,
    otherPods,
    networks: chosen,
    references,
    pods: drafted.pods,
    cpus: drafted.cpus,
    needsPolicy,
    missingRights,
    objects: [drafted.owner, ...drafted.owned],
  };
  const resolved = { ...options, context, namespace, nodes: [client.metadata.name, server.metadata.name] };
  return {
    hosts: onBoth((role): PlannedHost => hostOf(role, nodes[role], drafted.cpus[role].guaranteed, ip)),
    steps: [],
    options: resolved,
    cluster,
    unavailable,
    ...(references[0] === undefined ? {} : { reference: references[0] }),
    references: ownReferences(chosen, references),
  };
}

const NO_SHARE = { guaranteed: null, requested: 0 } as const;
const UNSHARED = { client: NO_SHARE, server: NO_SHARE } as const;

/** Where this account may not list nodes, those that the user names are taken as they are. */
function assumedNodes({ nodes }: KubernetesOptions): readonly ClusterNode[] {
  if (nodes === null)
    throw machineError(
      'cluster-refused',
      'This account may not list nodes, so that none can be chosen.',
      'Name two of one architecture by --nodes A,B, or ask for the right: `barewire kubernetes rbac`.',
    );
  return [...new Set(nodes)].map((name) =>
    nodeListSchema.shape.items.element.parse({
      metadata: { name },
      status: {
        conditions: [{ type: 'Ready', status: 'True' }],
        nodeInfo: {
          architecture: 'amd64',
          operatingSystem: 'linux',
          kernelVersion: '',
          osImage: '',
          containerRuntimeVersion: '',
          kubeletVersion: '',
        },
      },
    }),
  );
}

async function podsOn(kubectl: Kubectl, node: ClusterNode): Promise<readonly ClusterPod[] | null> {
  const running = `spec.nodeName=${node.metadata.name},status.phase!=Succeeded,status.phase!=Failed`;
  const pods = await kubectl.jsonOrNull(
    ['get', 'pods', '--all-namespaces', '--field-selector', running],
    podListSchema,
  );
  return pods?.items ?? null;
}

/** The references of ratios: the host network across nodes and on one node, or the pod network where that is refused. */
export function referencesOf(networks: readonly PodNetwork[]): readonly string[] {
  const names = networks.map(({ name }) => name);
  const wanted = [
    names.includes('host') ? 'host' : names.find((name) => name === 'pod'),
    names.includes('host-local') ? 'host-local' : names.find((name) => name === 'pod-local'),
  ];
  return wanted.flatMap((name) => name ?? []);
}

/** On one node, networks have a reference of their own beside one across nodes. */
function ownReferences(
  networks: readonly PodNetwork[],
  [across, near]: readonly string[],
): Readonly<Record<string, string>> {
  if (across === undefined || near === undefined) return {};
  return Object.fromEntries(networks.filter(({ onOneNode }) => onOneNode).map(({ name }) => [name, near]));
}

const isRefused = (network: PodNetwork, refusedPods: ReadonlyMap<string, string>): boolean => {
  const { client, server } = pairOf(network, false);
  return refusedPods.has(client) || refusedPods.has(server);
};

/** A pod without guaranteed CPUs has one thread or worker. */
const BURSTABLE_THREADS = 1;

function hostOf(
  role: PlannedHost['role'],
  node: ClusterNode,
  guaranteed: number | null,
  ip: 4 | 6,
): PlannedHost {
  const { allocatable } = node.status;
  const cpus = Math.ceil(parseQuantity(allocatable['cpu'])) || 1;
  const memoryBytes = parseQuantity(allocatable['memory']);
  return {
    role,
    net: {
      name: role,
      index: role === 'client' ? 1 : 2,
      dev: node.metadata.name,
      address: internalIp(node, ip) ?? '',
      prefix: ip === 6 ? 128 : 32,
      mac: '',
      mtu: 0,
    },
    cpus: Array.from({ length: cpus }, (_, index) => index),
    threads: guaranteed === null ? BURSTABLE_THREADS : Math.max(1, guaranteed - 1),
    bundle: [],
    ...(memoryBytes > 0 ? { memoryBytes } : {}),
  };
}

const podRefused = (message: string, onlyHost: boolean) =>
  machineError(
    'cluster-refused',
    `The cluster does not admit the study's pods: ${message}`,
    onlyHost
      ? 'Use a namespace whose Pod Security level is privileged: hostNetwork needs it. Or measure the pod network alone: --networks pod,service.'
      : 'Use another namespace by --namespace, or ask who administers the cluster.',
  );
