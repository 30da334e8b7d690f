import type { Machine } from '../../machine/index.js';
import { bug, machineError } from '../../schema/index.js';
import type { HostRole, Pair } from '../types.js';
import type { ClusterPlan } from './cluster-plan.js';
import type { CniEvidence } from './cni.js';
import type { ClusterPod } from './objects.js';
import { podName, type PodPlan } from './pods.js';

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

export async function countCpus(machine: Machine): Promise<readonly number[]> {
  const { files } = await machine.readFiles(['/proc/stat']);
  return [...(files['/proc/stat'] ?? '').matchAll(/^cpu(\d+) /gm)].map(([, cpu]) => Number(cpu));
}
