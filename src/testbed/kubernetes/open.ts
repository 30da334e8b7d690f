import { freshRunId, type Machine } from '../../machine/index.js';
import { bug, type Environment } from '../../schema/index.js';
import { readBundle } from '../bundle.js';
import type { Host, HostRole, Testbed, TestbedOptions, TestbedPlan } from '../types.js';
import { describeNetwork, factsOf, limitationsOf } from './cluster-facts.js';
import { Kubectl, refused } from './kubectl.js';
import { nodesOf } from './node-pools.js';
import type { ClusterNode } from './objects.js';
import type { KubernetesOptions } from './options.js';
import { createOwner, deleteDeadRuns, ownFacts } from './owner.js';
import { Endpoints, place } from './placement.js';
import { connectPodAgent, preambleOf } from './pod-agent.js';
import { listOf, ownedObjects, ownerObject } from './pod-objects.js';
import { waitForPods } from './pod-status.js';
import { planPods, podName } from './pods.js';
import { countCpus, RunningPods } from './running-pods.js';

/** An API server that is being restarted or upgraded. */
export const API_PATIENCE_MS = 45_000;

/** Creates the pods of a run and connects to an agent in each. Disposing deletes all of it. */
export async function openKubernetesTestbed(
  { hosts, cluster }: TestbedPlan,
  options: KubernetesOptions,
  { run = freshRunId(), ip = 4, signal }: TestbedOptions,
): Promise<Testbed> {
  if (cluster === undefined) throw bug('a Kubernetes testbed without its plan');
  const { context, namespace, nodes, pools, networks, references, needsPolicy, cpus } = cluster;
  const kubectl = new Kubectl({ context, namespace }, API_PATIENCE_MS);
  await deleteDeadRuns(kubectl);
  const pods = planPods(run, networks, references[0], (network) => nodesOf(cluster, network), cpus);
  const owner = await createOwner(kubectl, run, ownerObject(run, pods, ip, ownFacts()));
  const agents = new Map<string, Machine>();
  const dispose = async (): Promise<void> => {
    // A lost pod has nothing to undo: its owner's deletion ends it.
    await Promise.allSettled([...agents.values()].map((agent) => agent[Symbol.asyncDispose]()));
    await owner[Symbol.asyncDispose]();
  };
  try {
    const objects = ownedObjects({ run, uid: owner.uid, options }, pods, networks, ip, needsPolicy);
    const create = ['create', '-f', '-'];
    const created = await kubectl.run(create, listOf(objects));
    if (created.code !== 0) throw refused(create, created.stderr);
    const bundle = preambleOf(await readBundle(architectureOf(nodes.client)));
    const keys = new Map(pods.map(({ key }) => [podName(run, key), key]));
    // The agent of a pod starts while others are not running yet.
    const connecting: Promise<unknown>[] = [];
    const connect = async (key: string): Promise<void> => {
      agents.set(key, await connectPodAgent(kubectl, run, key, bundle));
    };
    const [waited] = await Promise.allSettled([
      waitForPods(kubectl, run, [...keys.keys()], {
        signal,
        onRunning: (name) => void connecting.push(connect(keys.get(name) ?? '')),
      }),
    ]);
    const connected = await Promise.allSettled(connecting);
    if (waited.status === 'rejected') throw waited.reason;
    const running = waited.value;
    for (const outcome of connected) if (outcome.status === 'rejected') throw outcome.reason;
    signal?.throwIfAborted();
    const pod = new RunningPods(run, cluster, pods, agents, running);
    const evidence = await pod.readEvidence(cluster);
    const hostFor = async (role: HostRole): Promise<Host> => {
      const machine = pod.observerOn(nodes[role]);
      return {
        ...hosts[role],
        machine: withFacts(machine, factsOf(nodes[role], evidence[role])),
        cpus: await countCpus(machine),
      };
    };
    const [client, server] = await Promise.all([hostFor('client'), hostFor('server')]);
    const otherHosts = await Promise.all(
      pools.map(async (pool) => {
        const shown = await pod.readEvidence(pool);
        return (['client', 'server'] as const).map((role) => {
          const node = pool.nodes[role];
          return [
            `${role} of ${pool.networks[0] ?? ''}`,
            withFacts(pod.observerOn(node), factsOf(node, shown[role])),
          ] as const;
        });
      }),
    );
    const endpoints = new Endpoints(kubectl, run, ip);
    return {
      kind: 'kubernetes',
      run,
      client,
      server,
      otherHosts: Object.fromEntries(otherHosts.flat()),
      limitations: limitationsOf(cluster, pods, await pod.shareKernel()),
      describeNetwork: (name) => describeNetwork(name, cluster, evidence.server),
      placeContainers: (network, use) => place(pod, endpoints, network, use),
      [Symbol.asyncDispose]: dispose,
    };
  } catch (error) {
    await dispose();
    throw error;
  }
}

/** The kubelet's name of an architecture as `process.arch` has it. */
const architectureOf = ({ status }: ClusterNode): string =>
  status.nodeInfo.architecture === 'amd64' ? 'x64' : status.nodeInfo.architecture;

/** The machine with facts in its environment that are known from outside. */
const withFacts = (machine: Machine, facts: Environment): Machine =>
  new Proxy(machine, {
    get: (target, key) => {
      if (key === 'environment') return async () => ({ ...(await target.environment()), ...facts });
      const value: unknown = Reflect.get(target, key, target);
      return typeof value === 'function' ? (value.bind(target) as unknown) : value;
    },
  });
