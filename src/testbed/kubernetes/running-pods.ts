import { isIPv6 } from 'node:net';
import * as z from 'zod';
import type { Machine } from '../../machine/index.js';
import { bug, machineError } from '../../schema/index.js';
import { both, type HostRole, type Pair } from '../types.js';
import type { ClusterPlan, NodePool } from './cluster-plan.js';
import type { NodeEvidence } from './cluster-facts.js';
import type { ClusterNode, ClusterPod } from './objects.js';
import { podName, type PodPlan } from './pods.js';

const linksSchema = z.record(z.string(), z.array(z.object({ address: z.string() })));

const isLinkLocal = (address: string): boolean => /^fe[89ab]/i.test(address);

/** A plan that was copied has nodes of its own. */
const isSameNode = (one: ClusterNode, other: ClusterNode): boolean =>
  one.metadata.name === other.metadata.name;

/** The pods of a run with their agents. */
export class RunningPods {
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

  /** The address of one interface of a pod. A CNI that adds interfaces reports only the first as the pod's. */
  async addressOn(key: string, link: string, ip: 4 | 6): Promise<string> {
    const program = 'process.stdout.write(JSON.stringify(require("node:os").networkInterfaces()))';
    const { stdout } = await this.agent(key).run(['node', '-e', program]);
    const links = linksSchema.parse(JSON.parse(stdout));
    const found = links[link]?.find(({ address }) => isIPv6(address) === (ip === 6) && !isLinkLocal(address));
    if (found !== undefined) return found.address;
    throw machineError(
      'pod-failed',
      `The pod ${key} has no IPv${ip} address on the interface ${link}: it has ${Object.keys(links).join(', ')}.`,
      'Correct address of the network in the spec, or the annotation that adds the interface.',
    );
  }

  /** An agent on a node: one that sees the node's own devices if there is one. */
  observerOn(node: ClusterNode): Machine {
    const onNode = this.#plans.filter((pod) => isSameNode(pod.node, node));
    const best = onNode.find(({ hostNetwork }) => hostNetwork) ?? onNode[0];
    if (best === undefined) throw bug(`no pod runs on the node ${node.metadata.name}`);
    return this.agent(best.key);
  }

  /** The CPUs of a pod's node where it is not the study's node of this role; nothing where it is. */
  async otherCpus(key: string, role: HostRole): Promise<{ readonly cpus?: readonly number[] }> {
    const { node } = this.plan(key);
    return isSameNode(node, this.cluster.nodes[role]) ? {} : { cpus: await countCpus(this.agent(key)) };
  }

  /** The agents that see the devices that a pod's packets cross: its own, and its node's. */
  observersOf(key: string): readonly Machine[] {
    const { node, hostNetwork } = this.plan(key);
    const host = hostNetwork ? undefined : this.#hostPodOn(node);
    return [this.agent(key), ...(host === undefined ? [] : [this.agent(host.key)])];
  }

  #hostPodOn(node: ClusterNode): PodPlan | undefined {
    return this.#plans.find((one) => one.hostNetwork && isSameNode(one.node, node));
  }

  /** What nodes show of the cluster's networks. */
  async readEvidence({
    nodes,
    otherPods,
  }: Pick<NodePool, 'nodes' | 'otherPods'>): Promise<Pair<NodeEvidence>> {
    return await both(async (role) => {
      const node = nodes[role];
      const host = this.#hostPodOn(node);
      const pods = otherPods[role] ?? [];
      if (host === undefined) return { node, pods, links: [], proxyMode: null };
      const agent = this.agent(host.key);
      const { files } = await agent.readFiles(['/proc/thread-self/net/dev']);
      const links = [...(files['/proc/thread-self/net/dev'] ?? '').matchAll(/^\s*([^\s:|]+):/gm)].map(
        ([, link = '']) => link,
      );
      return { node, pods, links, proxyMode: await askProxyMode(agent) };
    });
  }

  /** Whether both nodes are the same kernel: containers, or one node. */
  async shareKernel(): Promise<boolean> {
    const path = '/proc/sys/kernel/random/boot_id';
    const ids = await Promise.all(
      (['client', 'server'] as const).map(
        async (role) => (await this.observerOn(this.cluster.nodes[role]).readFiles([path])).files[path],
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

export async function countCpus(machine: Machine): Promise<readonly number[]> {
  const { files } = await machine.readFiles(['/proc/stat']);
  return [...(files['/proc/stat'] ?? '').matchAll(/^cpu(\d+) /gm)].map(([, cpu]) => Number(cpu));
}
