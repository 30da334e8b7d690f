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

/** The addresses that the Services of a run have. */
export class Endpoints {
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
export async function place(
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
    await pause(50);
  }
}
