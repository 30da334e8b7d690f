import { allWorkloads, nginxConfig } from '../../server/index.js';
import type { PodNetwork } from './networks.js';
import type { Taint } from './objects.js';
import type { KubernetesOptions } from './options.js';
import {
  labelsOf,
  ownerName,
  pairOf,
  POD_PORT,
  podName,
  RUN_LABEL,
  type CpuShare,
  type PodPlan,
} from './pods.js';

/** The writable folder of a pod: an emptyDir. */
export const WORK = '/barewire';
const CONFIG = '/etc/barewire';
export const NGINX_PID = `${WORK}/nginx.pid`;
/** Of the image's own or not: any number but 0 meets `restricted`. */
const USER = 65_532;

/** After the last agent ended: its study was killed. */
export const AGENTLESS_LIMIT_MS = 90_000;

/**
 * The command of an agent's container. It ends the pod when no agent has run for a while, because its study was killed, and kills
 * nginx, which runs as the same user.
 */
const KEEPER = `
const fs = require("node:fs"), own = String(process.pid);
const read = (path) => { try { return fs.readFileSync(path, "latin1"); } catch { return ""; } };
const end = () => { const nginx = Number(read("${NGINX_PID}")); try { if (nginx > 1) process.kill(nginx); } catch {} process.exit(0); };
process.on("SIGTERM", end);
let seen = Date.now();
setInterval(() => {
  const isAgent = (pid) => /^[0-9]+$/.test(pid) && pid !== own && read("/proc/" + pid + "/cmdline").split("\\0").includes("agent");
  if (fs.readdirSync("/proc").some(isAgent)) seen = Date.now();
  else if (Date.now() - seen > ${AGENTLESS_LIMIT_MS}) end();
}, 15_000);
`;

/** Objects as the API takes them: data to print and to send. */
export type KubernetesObject = Readonly<Record<string, unknown>>;

export interface OwnerFacts {
  readonly startedAt: string;
  /** Who runs the study, so that a dead run can be told from a running one. */
  readonly host: string;
  readonly pid: number;
  /** Ticks since the boot of that host; null where it does not report it. With the pid it identifies the process. */
  readonly startTime: number | null;
}

/**
 * The owner of everything that a run creates: deleting it deletes the rest. It also has what nginx serves.
 *
 * @param ip the version of IP on which nginx listens
 */
export function ownerObject(
  run: string,
  pods: readonly PodPlan[],
  ip: 4 | 6,
  facts: OwnerFacts,
): KubernetesObject {
  const bodies = allWorkloads().map(({ path, bodyBytes }) => [path.slice(1), 'x'.repeat(bodyBytes)]);
  const configs = pods.flatMap(({ key, port, cpus }) =>
    port === null
      ? []
      : [
          [
            `${key}.conf`,
            nginxConfig({
              dir: WORK,
              root: CONFIG,
              address: ip === 6 ? '::' : '0.0.0.0',
              port,
              cpus: [],
              unprivileged: { workers: cpus.guaranteed ?? 1 },
            }),
          ],
        ],
  );
  return {
    apiVersion: 'v1',
    kind: 'ConfigMap',
    metadata: { name: ownerName(run), labels: labelsOf(run) },
    data: {
      startedAt: facts.startedAt,
      host: facts.host,
      pid: String(facts.pid),
      startTime: String(facts.startTime ?? ''),
      ...Object.fromEntries([...bodies, ...configs]),
    },
  };
}

interface Owned {
  readonly run: string;
  /** Of the owner. */
  readonly uid: string;
  readonly options: KubernetesOptions;
}

const metadataOf = ({ run, uid }: Owned, name: string, key?: string) => ({
  name,
  labels: labelsOf(run, key),
  // Without blockOwnerDeletion, which some clusters allow only to who may set finalizers of the owner.
  ownerReferences: [{ apiVersion: 'v1', kind: 'ConfigMap', name: ownerName(run), uid }],
});

/** Meets the Pod Security level `restricted`, but for `hostNetwork` in pods of the reference. */
function podObject(owned: Owned, pod: PodPlan): KubernetesObject {
  const { run, options } = owned;
  const { key, node, kind, hostNetwork } = pod;
  const container = (name: string, image: string, command: readonly string[], own: KubernetesObject) => ({
    name,
    image,
    imagePullPolicy: 'IfNotPresent',
    command,
    securityContext: {
      allowPrivilegeEscalation: false,
      capabilities: { drop: ['ALL'] },
      readOnlyRootFilesystem: true,
    },
    volumeMounts: [
      { name: 'work', mountPath: WORK },
      { name: 'config', mountPath: CONFIG, readOnly: true },
    ],
    ...own,
  });
  const agent = container('agent', options.imageNode, ['node', '-e', KEEPER], {
    env: [
      { name: 'BAREWIRE_STATE', value: `${WORK}/state` },
      { name: 'HOME', value: WORK },
    ],
    resources: resources(
      kind === 'generator'
        ? pod.cpus
        : { guaranteed: pod.cpus.guaranteed === null ? null : AGENT_CPUS, requested: IDLE_AGENT_CPUS },
    ),
  });
  const nginx = container(
    'nginx',
    options.imageNginx,
    ['nginx', '-p', WORK, '-e', 'stderr', '-c', `${CONFIG}/${key}.conf`],
    { resources: resources(pod.cpus) },
  );
  return {
    apiVersion: 'v1',
    kind: 'Pod',
    metadata: metadataOf(owned, podName(run, key), key),
    spec: {
      restartPolicy: 'Never',
      terminationGracePeriodSeconds: 2,
      automountServiceAccountToken: false,
      enableServiceLinks: false,
      hostNetwork,
      dnsPolicy: 'Default',
      shareProcessNamespace: true,
      securityContext: {
        runAsNonRoot: true,
        runAsUser: USER,
        runAsGroup: USER,
        fsGroup: USER,
        seccompProfile: { type: 'RuntimeDefault' },
      },
      affinity: {
        nodeAffinity: {
          requiredDuringSchedulingIgnoredDuringExecution: {
            nodeSelectorTerms: [
              { matchFields: [{ key: 'metadata.name', operator: 'In', values: [node.metadata.name] }] },
            ],
          },
        },
      },
      tolerations: (node.spec.taints ?? []).map(tolerationOf),
      ...(options.imagePullSecret === null ? {} : { imagePullSecrets: [{ name: options.imagePullSecret }] }),
      containers: kind === 'server' ? [nginx, agent] : [agent],
      volumes: [
        { name: 'work', emptyDir: { sizeLimit: '64Mi' } },
        { name: 'config', configMap: { name: ownerName(run) } },
      ],
    },
  };
}

/** Of the taints that the node had when it was chosen: one that a drain adds is respected. */
const tolerationOf = ({ key, value = '', effect }: Taint) => ({ key, operator: 'Equal', value, effect });

/** Of an agent that only reads counters: its limit, and its request where it has none. */
const [AGENT_CPUS, IDLE_AGENT_CPUS] = [0.5, 0.05];

/** Whole CPUs with requests equal to limits are guaranteed; without, a share of the node's idle CPUs. */
const resources = ({ guaranteed, requested }: CpuShare) =>
  guaranteed === null
    ? {
        requests: { cpu: `${Math.round(requested * 1_000)}m`, memory: '128Mi' },
        limits: { memory: '1Gi' },
      }
    : {
        requests: { cpu: String(guaranteed), memory: '512Mi' },
        limits: { cpu: String(guaranteed), memory: '512Mi' },
      };

/** The Service of a network: a ClusterIP, or a NodePort with the policy `Cluster`. */
function serviceObject(owned: Owned, network: PodNetwork, ip: 4 | 6): KubernetesObject {
  const { server } = pairOf(network, false);
  return {
    apiVersion: 'v1',
    kind: 'Service',
    metadata: metadataOf(owned, podName(owned.run, network.name)),
    spec: {
      type: network.to === 'nodeport' ? 'NodePort' : 'ClusterIP',
      ipFamilies: [ip === 6 ? 'IPv6' : 'IPv4'],
      ...(network.to === 'nodeport' ? { externalTrafficPolicy: 'Cluster' } : {}),
      selector: labelsOf(owned.run, server),
      ports: [{ name: 'http', port: POD_PORT, targetPort: POD_PORT, protocol: 'TCP' }],
    },
  };
}

/** Admits the pods of the run to each other where a policy of the namespace denies by default. */
const policyObject = (owned: Owned): KubernetesObject => ({
  apiVersion: 'networking.k8s.io/v1',
  kind: 'NetworkPolicy',
  metadata: metadataOf(owned, ownerName(owned.run)),
  spec: {
    podSelector: { matchLabels: { [RUN_LABEL]: owned.run } },
    policyTypes: ['Ingress', 'Egress'],
    ingress: [{ ports: [{ port: POD_PORT, protocol: 'TCP' }] }],
    egress: [{}],
  },
});

/** Everything but the owner. */
export const ownedObjects = (
  owned: Owned,
  pods: readonly PodPlan[],
  networks: readonly PodNetwork[],
  ip: 4 | 6,
  withPolicy: boolean,
): readonly KubernetesObject[] => [
  ...(withPolicy ? [policyObject(owned)] : []),
  ...networks.filter(({ to }) => to !== 'pod').map((network) => serviceObject(owned, network, ip)),
  ...pods.map((pod) => podObject(owned, pod)),
];

export const listOf = (items: readonly KubernetesObject[]): string =>
  JSON.stringify({ apiVersion: 'v1', kind: 'List', items });
