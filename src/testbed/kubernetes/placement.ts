import { setTimeout as pause } from 'node:timers/promises';
import * as z from 'zod';
import { planGenerator } from '../../load/index.js';
import type { Machine } from '../../machine/index.js';
import { childrenOf } from '../../metrics/index.js';
import type { GivenNetwork, HostPlan } from '../../network/index.js';
import { machineError } from '../../schema/index.js';
import type { NetworkUse, PlacedServer, Placement } from '../types.js';
import type { Kubectl } from './kubectl.js';
import { requireNetwork, type PodNetwork } from './networks.js';
import { nodesOf } from './node-pools.js';
import { internalIp } from './objects.js';
import { observePath } from './observed-path.js';
import { POD_BUNDLE } from './pod-agent.js';
import { NGINX_PID } from './pod-objects.js';
import { pairOf, podName } from './pods.js';
import type { RunningPods } from './running-pods.js';

const serviceSchema = z.object({
  spec: z.object({
    clusterIP: z.string(),
    ports: z.array(z.object({ port: z.number(), nodePort: z.number().optional() })).min(1),
  }),
});

/** The addresses that the pods and the Services of a run have. */
export class Endpoints {
  readonly #kubectl: Kubectl;
  readonly #run: string;
  readonly #ip: 4 | 6;
  /** They do not change during a run, and asking takes a process. */
  readonly #services = new Map<string, z.infer<typeof serviceSchema>>();

  constructor(kubectl: Kubectl, run: string, ip: 4 | 6) {
    this.#kubectl = kubectl;
    this.#run = run;
    this.#ip = ip;
  }

  /** Of a pod of a network: its own, or that of the interface that the network names. */
  async addressOf({ address: link }: PodNetwork, pods: RunningPods, key: string): Promise<string> {
    return link === undefined ? pods.addressOf(key) : await pods.addressOn(key, link, this.#ip);
  }

  /** What the client requests. */
  async of(
    network: PodNetwork,
    pods: RunningPods,
    server: { readonly key: string; readonly address: string },
  ): Promise<{ address: string; port: number }> {
    if (network.to === 'pod') return { address: server.address, port: pods.plan(server.key).port ?? 0 };
    const name = podName(this.#run, network.name);
    const known = this.#services.get(name);
    const service = known ?? (await this.#kubectl.json(['get', 'service', name], serviceSchema));
    this.#services.set(name, service);
    const { spec } = service;
    const [first] = spec.ports;
    if (network.to === 'service') return { address: spec.clusterIP, port: first?.port ?? 0 };
    const node = nodesOf(pods.cluster, network).server;
    const address = internalIp(node, this.#ip);
    if (address !== null && first?.nodePort !== undefined) return { address, port: first.nodePort };
    throw machineError(
      'cluster-refused',
      `The node ${node.metadata.name} has no InternalIP, or the Service no NodePort.`,
      'Leave out nodeport: --networks host,pod,service.',
    );
  }
}

/** Places a network between pods that run already. */
export async function place(
  pods: RunningPods,
  endpoints: Endpoints,
  given: GivenNetwork,
  use: NetworkUse,
): Promise<Placement> {
  const network = requireNetwork(pods.cluster.networks, given.name);
  const { client, server } = pairOf(network, use === 'control');
  const [clientAddress, serverAddress] = await Promise.all([
    endpoints.addressOf(network, pods, client),
    endpoints.addressOf(network, pods, server),
  ]);
  const endpoint = await endpoints.of(network, pods, { key: server, address: serverAddress });
  return {
    plans: { client: hostPlan(client, clientAddress), server: hostPlan(server, serverAddress) },
    client: {
      machine: pods.agent(client),
      generator: planGenerator(POD_BUNDLE, []),
      ...(await pods.otherCpus(client, 'client')),
    },
    server: {
      ...(await serverIn(pods.agent(server), podName(pods.run, server), endpoint)),
      ...(await pods.otherCpus(server, 'server')),
    },
    observePath: (request, burst) =>
      observePath(
        network.name,
        { client: pods.observersOf(client), server: pods.observersOf(server) },
        request,
        burst,
      ),
  };
}

const hostPlan = (key: string, address: string): HostPlan => ({
  host: key,
  steps: [],
  // The agent is in the pod: its own namespace.
  container: { netns: null, link: '', address, mtu: 0, nexthop: '' },
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
    await pause(50);
  }
}
