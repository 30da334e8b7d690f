import * as z from 'zod';
import { planGenerator } from '../../load/index.js';
import { freshRunId, type Machine } from '../../machine/index.js';
import { childrenOf } from '../../metrics/index.js';
import type { GivenNetwork, HostPlan } from '../../network/index.js';
import { bug, machineError, type Environment, type Finding } from '../../schema/index.js';
import { readBundle } from '../bundle.js';
import type {
  Host,
  HostRole,
  NetworkUse,
  Pair,
  PlacedServer,
  Placement,
  Testbed,
  TestbedOptions,
  TestbedPlan,
} from '../types.js';
import type { ClusterPlan } from './cluster-plan.js';
import { describeCni, describeServiceProxy, detectCni, type CniEvidence } from './cni.js';
import { Kubectl, refused } from './kubectl.js';
import { findPodNetwork, type PodNetwork } from './networks.js';
import { internalIp, type ClusterNode, type ClusterPod } from './objects.js';
import { observePath } from './observed-path.js';
import type { KubernetesOptions } from './options.js';
import { createOwner, deleteDeadRuns, ownFacts } from './owner.js';
import { connectPodAgent, POD_BUNDLE, preambleOf } from './pod-agent.js';
import { waitForPods } from './pod-status.js';
import {
  listOf,
  NGINX_PID,
  ownedObjects,
  ownerObject,
  pairOf,
  planPods,
  podName,
  type PodPlan,
} from './pods.js';

/** Creates the pods of a run and connects to an agent in each. Disposing deletes all of it. */
export async function openKubernetesTestbed(
  { hosts, cluster }: TestbedPlan,
  options: KubernetesOptions,
  { run = freshRunId(), ip = 4, signal }: TestbedOptions,
): Promise<Testbed> {
  if (cluster === undefined) throw bug('a Kubernetes testbed without its plan');
  const { context, namespace, nodes, networks, references, needsPolicy } = cluster;
  const kubectl = new Kubectl({ context, namespace });
  await deleteDeadRuns(kubectl);
  const cpus = { client: cpusOf(cluster, 'client'), server: cpusOf(cluster, 'server') };
  const pods = planPods(run, networks, references, nodes, cpus);
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
    const names = pods.map(({ key }) => podName(run, key));
    const running = await waitForPods(kubectl, run, names, signal);
    const connected = await Promise.allSettled(
      pods.map(async ({ key }) => agents.set(key, await connectPodAgent(kubectl, run, key, bundle))),
    );
    for (const outcome of connected) if (outcome.status === 'rejected') throw outcome.reason;
    signal?.throwIfAborted();
    const pod = new RunningPods(run, cluster, pods, agents, running);
    const evidence = await pod.readEvidence();
    const hostFor = async (role: HostRole): Promise<Host> => {
      const machine = pod.observerOf(role);
      return {
        ...hosts[role],
        machine: withFacts(machine, factsOf(nodes[role], evidence[role])),
        cpus: await countCpus(machine),
      };
    };
    const [client, server] = await Promise.all([hostFor('client'), hostFor('server')]);
    const endpoints = new Endpoints(kubectl, run, ip);
    return {
      kind: 'kubernetes',
      run,
      client,
      server,
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

const cpusOf = ({ pods, nodes }: ClusterPlan, role: HostRole): number | null =>
  pods.find(({ node, kind }) => node === nodes[role] && (role === 'server' || kind === 'generator'))?.cpus ??
  null;

/** The kubelet's name of an architecture as `process.arch` has it. */
const architectureOf = ({ status }: ClusterNode): string =>
  status.nodeInfo.architecture === 'amd64' ? 'x64' : status.nodeInfo.architecture;

/** The pods of a run with their agents. */
class RunningPods {
  readonly run: string;
  readonly cluster: ClusterPlan;
  readonly #plans: readonly PodPlan[];
  readonly #agents: ReadonlyMap<string, Machine>;
  readonly #pods: ReadonlyMap<string, ClusterPod>;

  constructor(
    run: string,
    cluster: ClusterPlan,
    plans: readonly PodPlan[],
    agents: ReadonlyMap<string, Machine>,
    pods: ReadonlyMap<string, ClusterPod>,
  ) {
    this.run = run;
    this.cluster = cluster;
    this.#plans = plans;
    this.#agents = agents;
    this.#pods = pods;
  }

  plan(key: string): PodPlan {
    const found = this.#plans.find((one) => one.key === key);
    if (found === undefined) throw bug(`the run has no pod ${key}`);
    return found;
  }

  agent(key: string): Machine {
    const found = this.#agents.get(key);
    if (found === undefined) throw bug(`the run has no agent in ${key}`);
    return found;
  }

  addressOf(key: string): string {
    const address = this.#pods.get(podName(this.run, key))?.status.podIP;
    if (address !== undefined) return address;
    throw machineError('pod-failed', `The pod ${key} has no address.`, `Run: kubectl get pods -o wide`);
  }

  /** An agent on a node: one that sees the node's own devices if there is one. */
  observerOf(role: HostRole): Machine {
    const onNode = this.#plans.filter(({ node }) => node === this.cluster.nodes[role]);
    const best = onNode.find(({ hostNetwork }) => hostNetwork) ?? onNode[0];
    if (best === undefined) throw bug(`no pod runs on the ${role}'s node`);
    return this.agent(best.key);
  }

  /** The agents that see the devices that a pod's packets cross: its own, and its node's. */
  observersOf(key: string): readonly Machine[] {
    const { node, hostNetwork } = this.plan(key);
    const host = hostNetwork ? undefined : this.#plans.find((one) => one.hostNetwork && one.node === node);
    return [this.agent(key), ...(host === undefined ? [] : [this.agent(host.key)])];
  }

  async readEvidence(): Promise<Pair<CniEvidence & { readonly proxyMode: string | null }>> {
    const read = async (role: HostRole) => {
      const node = this.cluster.nodes[role];
      const host = this.#plans.find((one) => one.hostNetwork && one.node === node);
      const pods = this.cluster.otherPods[role] ?? [];
      if (host === undefined) return { node, pods, links: [], proxyMode: null };
      const agent = this.agent(host.key);
      const { files } = await agent.readFiles(['/proc/thread-self/net/dev']);
      const links = [...(files['/proc/thread-self/net/dev'] ?? '').matchAll(/^\s*([^\s:|]+):/gm)].map(
        ([, link = '']) => link,
      );
      return { node, pods, links, proxyMode: await askProxyMode(agent) };
    };
    const [client, server] = await Promise.all([read('client'), read('server')]);
    return { client, server };
  }

  /** Whether both nodes are the same kernel: containers, or one node. */
  async shareKernel(): Promise<boolean> {
    const path = '/proc/sys/kernel/random/boot_id';
    const ids = await Promise.all(
      (['client', 'server'] as const).map(
        async (role) => (await this.observerOf(role).readFiles([path])).files[path],
      ),
    );
    return ids[0] !== null && ids[0] === ids[1];
  }
}

/** kube-proxy reports its mode on the node's loopback address. */
async function askProxyMode(agent: Machine): Promise<string | null> {
  const program =
    'fetch("http://127.0.0.1:10249/proxyMode",{signal:AbortSignal.timeout(500)}).then((r)=>r.text()).then((t)=>process.stdout.write(t),()=>{})';
  const { code, stdout } = await agent.run(['node', '-e', program]);
  const mode = stdout.trim();
  return code === 0 && /^[a-z]+$/.test(mode) ? mode : null;
}

async function countCpus(machine: Machine): Promise<readonly number[]> {
  const { files } = await machine.readFiles(['/proc/stat']);
  return [...(files['/proc/stat'] ?? '').matchAll(/^cpu(\d+) /gm)].map(([, cpu]) => Number(cpu));
}

const factsOf = (
  { status }: ClusterNode,
  evidence: CniEvidence & { readonly proxyMode: string | null },
): Environment => ({
  osImage: status.nodeInfo.osImage || null,
  containerRuntime: status.nodeInfo.containerRuntimeVersion || null,
  kubelet: status.nodeInfo.kubeletVersion || null,
  cni: describeCni(detectCni(evidence)),
  serviceProxy: describeServiceProxy(evidence.proxyMode, evidence),
});

/** The machine with facts in its environment that are known from outside. */
const withFacts = (machine: Machine, facts: Environment): Machine =>
  new Proxy(machine, {
    get: (target, key) => {
      if (key === 'environment') return async () => ({ ...(await target.environment()), ...facts });
      const value: unknown = Reflect.get(target, key, target);
      return typeof value === 'function' ? (value.bind(target) as unknown) : value;
    },
  });

function limitationsOf(
  { references }: ClusterPlan,
  pods: readonly PodPlan[],
  oneKernel: boolean,
): readonly Finding[] {
  return [
    ...(oneKernel ? [{ code: 'limitation', limitation: 'one-kernel' } as const] : []),
    { code: 'limitation', limitation: 'other-traffic' },
    { code: 'limitation', limitation: 'no-priority' },
    ...(pods.some(({ cpus }) => cpus === null)
      ? [{ code: 'limitation', limitation: 'burstable-pods' } as const]
      : []),
    ...(references.some((name) => name.startsWith('pod'))
      ? [{ code: 'limitation', limitation: 'pod-reference' } as const]
      : []),
    { code: 'limitation', limitation: 'client-clock' },
  ];
}

function describeNetwork(
  name: string,
  { nodes }: ClusterPlan,
  evidence: CniEvidence & { readonly proxyMode: string | null },
): string {
  const network = requireNetwork(name);
  if (network.client === 'host') return network.what;
  const cni = describeCni(detectCni(evidence));
  const proxy = describeServiceProxy(evidence.proxyMode, evidence);
  switch (network.to) {
    case 'pod':
      return `${network.what} (${cni})`;
    case 'service':
      return `${network.what} (${proxy}, over ${cni})`;
    case 'nodeport':
      return `${network.what} (${nodes.server.metadata.name}, externalTrafficPolicy Cluster, ${proxy}, over ${cni})`;
  }
}

function requireNetwork(name: string): PodNetwork {
  const found = findPodNetwork(name);
  if (found === undefined) throw bug(`a cluster has no network ${name}`);
  return found;
}

const serviceSchema = z.object({
  spec: z.object({
    clusterIP: z.string(),
    ports: z.array(z.object({ port: z.number(), nodePort: z.number().optional() })).min(1),
  }),
});

/** The addresses that the Services of a run have. */
class Endpoints {
  readonly #kubectl: Kubectl;
  readonly #run: string;
  readonly #ip: 4 | 6;

  constructor(kubectl: Kubectl, run: string, ip: 4 | 6) {
    this.#kubectl = kubectl;
    this.#run = run;
    this.#ip = ip;
  }

  async of(
    network: PodNetwork,
    pods: RunningPods,
    server: string,
  ): Promise<{ address: string; port: number }> {
    if (network.to === 'pod') return { address: pods.addressOf(server), port: pods.plan(server).port ?? 0 };
    const { spec } = await this.#kubectl.json(
      ['get', 'service', podName(this.#run, network.name)],
      serviceSchema,
    );
    const [first] = spec.ports;
    if (network.to === 'service') return { address: spec.clusterIP, port: first?.port ?? 0 };
    const address = internalIp(pods.cluster.nodes.server, this.#ip);
    if (address !== null && first?.nodePort !== undefined) return { address, port: first.nodePort };
    throw machineError(
      'cluster-refused',
      `The node ${pods.cluster.nodes.server.metadata.name} has no InternalIP, or the Service no NodePort.`,
      'Leave out nodeport: --networks host,pod,service.',
    );
  }
}

/** Places a network between pods that run already. */
async function place(
  pods: RunningPods,
  endpoints: Endpoints,
  given: GivenNetwork,
  use: NetworkUse,
): Promise<Placement> {
  const network = requireNetwork(given.name);
  const { client, server } = pairOf(network, use === 'control');
  const endpoint = await endpoints.of(network, pods, server);
  return {
    plans: { client: hostPlan(pods, client), server: hostPlan(pods, server) },
    client: { machine: pods.agent(client), generator: planGenerator(POD_BUNDLE, []) },
    server: await serverIn(pods.agent(server), podName(pods.run, server), endpoint),
    observePath: (request, burst) =>
      observePath(
        network.name,
        { client: pods.observersOf(client), server: pods.observersOf(server) },
        request,
        burst,
      ),
  };
}

const hostPlan = (pods: RunningPods, key: string): HostPlan => ({
  host: key,
  steps: [],
  // The agent is in the pod: its own namespace.
  container: { netns: null, link: '', address: pods.addressOf(key), mtu: 0, nexthop: '' },
  extraContainers: [],
  path: [],
  bypass: [],
});

const NGINX_LIMIT_MS = 10_000;

async function serverIn(
  machine: Machine,
  pod: string,
  endpoint: { readonly address: string; readonly port: number },
): Promise<PlacedServer> {
  const deadline = performance.now() + NGINX_LIMIT_MS;
  for (;;) {
    const { files } = await machine.readFiles([NGINX_PID]);
    const master = Number(files[NGINX_PID] ?? '');
    const workers = master > 0 ? await childrenOf(machine, master) : [];
    if (workers.length > 0)
      return {
        machine,
        pids: [master, ...workers],
        ...endpoint,
        assertRunning: async () => {
          const path = `/proc/${master}/stat`;
          if ((await machine.readFiles([path])).files[path] !== null) return;
          throw machineError(
            'process-failed',
            `nginx in the pod ${pod} ended during a slice.`,
            `Run: kubectl describe pod ${pod}`,
          );
        },
      };
    if (performance.now() > deadline)
      throw machineError(
        'server-not-ready',
        `nginx in the pod ${pod} wrote no process id within ${NGINX_LIMIT_MS / 1_000} s.`,
        `Run: kubectl logs ${pod} --container nginx`,
      );
    await new Promise((resolve) => setTimeout(resolve, 50));
  }
}
