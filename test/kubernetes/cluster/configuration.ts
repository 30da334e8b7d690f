import type { Certificates } from './certificates.js';
import {
  API_SERVER,
  CLUSTER_RANGE,
  DNS_ADDRESS,
  NODE_ADDRESSES,
  POD_RANGES,
  SERVICE_RANGE,
} from './addresses.js';

/** Component → the user and groups of its token. */
const TOKENS = {
  manager: 'system:kube-controller-manager,"system:masters"',
  scheduler: 'system:kube-scheduler,""',
  proxy: 'system:kube-proxy,""',
  flannel: 'flannel,"system:masters"',
};

export const tokenFile = (nodeNames: readonly string[]): string =>
  [
    ...Object.entries(TOKENS).map(([name, user]) => `${name}-token,${user.replace(',', `,${name},`)}`),
    ...nodeNames.map((name) => `${name}-token,system:node:${name},${name},"system:nodes"`),
  ].join('\n');

/** A kubeconfig with one context. `user` holds a token or a client certificate, as kubeconfig files name them. */
export const kubeconfig = (
  context: string,
  server: string,
  ca: Readonly<Record<string, string>>,
  user: Readonly<Record<string, string>>,
): string =>
  JSON.stringify({
    apiVersion: 'v1',
    kind: 'Config',
    clusters: [{ name: context, cluster: { server, ...ca } }],
    users: [{ name: `${context}-admin`, user }],
    contexts: [{ name: context, context: { cluster: context, user: `${context}-admin` } }],
    'current-context': context,
  });

export const etcdArguments = (): string[] => [
  'etcd',
  '--name=etcd',
  '--data-dir=/run/etcd',
  '--listen-client-urls=http://127.0.0.1:2379',
  '--advertise-client-urls=http://127.0.0.1:2379',
  '--listen-peer-urls=http://127.0.0.1:2380',
  '--initial-advertise-peer-urls=http://127.0.0.1:2380',
  '--initial-cluster=etcd=http://127.0.0.1:2380',
  '--unsafe-no-fsync',
  '--log-level=warn',
];

export const apiServerArguments = (certificates: Certificates, tokens: string): string[] => [
  'kube-apiserver',
  '--etcd-servers=http://127.0.0.1:2379',
  '--bind-address=0.0.0.0',
  `--advertise-address=${API_SERVER.address}`,
  `--secure-port=${API_SERVER.port}`,
  `--tls-cert-file=${certificates.server.certificate}`,
  `--tls-private-key-file=${certificates.server.key}`,
  `--client-ca-file=${certificates.ca}`,
  `--token-auth-file=${tokens}`,
  '--authorization-mode=Node,RBAC',
  '--enable-admission-plugins=NodeRestriction',
  '--allow-privileged=true',
  `--service-cluster-ip-range=${SERVICE_RANGE}`,
  '--service-account-issuer=https://kubernetes.default.svc',
  `--service-account-key-file=${certificates.serviceAccounts.publicKey}`,
  `--service-account-signing-key-file=${certificates.serviceAccounts.privateKey}`,
  `--kubelet-client-certificate=${certificates.admin.certificate}`,
  `--kubelet-client-key=${certificates.admin.key}`,
  `--kubelet-certificate-authority=${certificates.ca}`,
  // Node names are not in any DNS.
  '--kubelet-preferred-address-types=InternalIP',
];

/** Without service account credentials of its own: it would create an account for each controller at some later time. */
export const managerArguments = (certificates: Certificates, config: string): string[] => [
  'kube-controller-manager',
  `--kubeconfig=${config}`,
  `--service-account-private-key-file=${certificates.serviceAccounts.privateKey}`,
  `--root-ca-file=${certificates.ca}`,
  '--leader-elect=false',
  // The default of 20 requests/s delays what new namespaces need.
  '--kube-api-qps=500',
  '--kube-api-burst=1000',
  '--allocate-node-cidrs=true',
  `--cluster-cidr=${CLUSTER_RANGE}`,
  '--node-cidr-mask-size=24',
  '--flex-volume-plugin-dir=/run/volume-plugins',
];

export const schedulerArguments = (config: string): string[] => [
  'kube-scheduler',
  `--kubeconfig=${config}`,
  '--leader-elect=false',
];

export const kubeletArguments = (node: NodePlan): string[] => [
  'kubelet',
  `--config=${node.folder}/kubelet.json`,
  `--kubeconfig=${node.folder}/kubelet.kubeconfig`,
  `--hostname-override=${node.name}`,
  `--node-ip=${NODE_ADDRESSES[node.index]}`,
  '--root-dir=/var/lib/kubelet',
  '--cert-dir=/var/lib/kubelet/pki',
];

/** Without changes of connection tracking: its limits belong to the machine. */
export const proxyArguments = (node: NodePlan, mode: 'nftables' | 'iptables'): string[] => [
  'kube-proxy',
  `--proxy-mode=${mode}`,
  `--kubeconfig=${node.folder}/proxy.kubeconfig`,
  `--hostname-override=${node.name}`,
  `--cluster-cidr=${CLUSTER_RANGE}`,
  '--healthz-bind-address=',
  '--conntrack-max-per-core=0',
  '--conntrack-min=0',
  '--conntrack-tcp-timeout-established=0',
  '--conntrack-tcp-timeout-close-wait=0',
];

export const flannelArguments = (node: NodePlan): string[] => [
  '--kube-subnet-mgr',
  `--kubeconfig-file=${node.folder}/flannel.kubeconfig`,
  `--net-config-path=${node.folder}/net-conf.json`,
  '--iface=eth0',
  '--ip-masq',
  `--subnet-file=${node.folder}/subnet.env`,
];

export interface NodePlan {
  readonly index: 0 | 1;
  readonly name: string;
  readonly folder: string;
  /** Below it in every cgroup controller are the node's pods. */
  readonly cgroup: string;
}

export const kubeletConfig = (node: NodePlan, certificates: Certificates): string =>
  JSON.stringify({
    apiVersion: 'kubelet.config.k8s.io/v1beta1',
    kind: 'KubeletConfiguration',
    containerRuntimeEndpoint: 'unix:///run/containerd/containerd.sock',
    address: NODE_ADDRESSES[node.index],
    authentication: {
      anonymous: { enabled: false },
      webhook: { enabled: true },
      x509: { clientCAFile: certificates.ca },
    },
    authorization: { mode: 'Webhook' },
    tlsCertFile: certificates.server.certificate,
    tlsPrivateKeyFile: certificates.server.key,
    cgroupDriver: 'cgroupfs',
    cgroupRoot: `/${node.cgroup}`,
    enforceNodeAllocatable: ['pods'],
    failSwapOn: false,
    failCgroupV1: false,
    // Root may lack CAP_SYS_RESOURCE, which a lower score requires.
    oomScoreAdj: 0,
    makeIPTablesUtilChains: false,
    // No server has this address. Without one, every pod gets a warning event.
    clusterDNS: [DNS_ADDRESS],
    clusterDomain: 'cluster.local',
    resolvConf: `${node.folder}/resolv.conf`,
    volumePluginDir: '/run/volume-plugins',
    imageGCHighThresholdPercent: 100,
    evictionHard: { 'memory.available': '100Mi', 'nodefs.available': '1%', 'imagefs.available': '1%' },
    shutdownGracePeriod: '0s',
  });

export const containerdConfig = (node: NodePlan, pauseImage: string): string => `version = 2
root = "${node.folder}/containerd"
state = "/run/containerd"
[grpc]
  address = "/run/containerd/containerd.sock"
[plugins."io.containerd.internal.v1.opt"]
  path = "/run/containerd-opt"
[plugins."io.containerd.grpc.v1.cri"]
  sandbox_image = "${pauseImage}"
  restrict_oom_score_adj = true
  [plugins."io.containerd.grpc.v1.cri".cni]
    bin_dir = "/usr/lib/cni"
    conf_dir = "${node.folder}/cni"
  [plugins."io.containerd.grpc.v1.cri".containerd]
    snapshotter = "overlayfs"
    default_runtime_name = "runc"
    [plugins."io.containerd.grpc.v1.cri".containerd.runtimes.runc]
      runtime_type = "io.containerd.runc.v2"
      [plugins."io.containerd.grpc.v1.cri".containerd.runtimes.runc.options]
        SystemdCgroup = false
`;

/** What flannel's CNI plugin would pass on to the bridge plugin. */
export const cniConfig = (node: NodePlan, mtu: number): string =>
  JSON.stringify({
    cniVersion: '1.0.0',
    name: 'cbr0',
    plugins: [
      {
        type: 'bridge',
        bridge: 'cni0',
        isGateway: true,
        isDefaultGateway: true,
        hairpinMode: true,
        ipMasq: false,
        mtu,
        ipam: {
          type: 'host-local',
          dataDir: '/run/ipam',
          ranges: [[{ subnet: POD_RANGES[node.index] }]],
          routes: [{ dst: CLUSTER_RANGE }],
        },
      },
      { type: 'portmap', capabilities: { portMappings: true } },
    ],
  });

/** A Node with its pod range, created before the kubelet: ranges are assigned in order of arrival otherwise. */
export const nodeObject = (
  node: NodePlan,
  labels: Readonly<Record<string, string>>,
  taints: readonly NodeTaint[],
): object => ({
  apiVersion: 'v1',
  kind: 'Node',
  metadata: {
    name: node.name,
    labels: { 'kubernetes.io/hostname': node.name, ...labels },
    // flanneld panics when it reads a Node without annotations.
    annotations: { 'node.alpha.kubernetes.io/ttl': '0' },
  },
  spec: { podCIDR: POD_RANGES[node.index], podCIDRs: [POD_RANGES[node.index]], taints },
});

export interface NodeTaint {
  readonly key: string;
  readonly value?: string;
  readonly effect: 'NoSchedule' | 'PreferNoSchedule' | 'NoExecute';
}
