import { existsSync } from 'node:fs';
import { mkdir, readdir, readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { CLUSTER_RANGE, NODE_ADDRESSES, POD_RANGES } from './addresses.js';
import {
  cniConfig,
  containerdConfig,
  flannelArguments,
  kubeletArguments,
  kubeletConfig,
  proxyArguments,
  type NodePlan,
} from './configuration.js';
import { IMAGE_NAMES } from './images.js';
import { inNamespacesOf } from './namespaces.js';
import { succeed } from './run.js';
import { startDaemon, writeKubeconfig, type Site } from './site.js';
import { waitUntil } from './wait.js';

const CGROUPS = '/sys/fs/cgroup';

/** Starts the namespaces of a node, and containerd with the images. Needs no API server. Returns the node's first process. */
export async function startContainerd(site: Site, node: NodePlan): Promise<number> {
  await mkdir(join(node.folder, 'cni'), { recursive: true });
  await createCgroups(node.cgroup);
  const config = join(node.folder, 'containerd.toml');
  await writeFile(config, containerdConfig(node, IMAGE_NAMES.pause));
  const pid = await site.namespaces.addNode(node.index + 1, node.name, node.folder);
  await startDaemon(site, `containerd-${node.index}`, pid, ['containerd', `--config=${config}`]);
  const ctr = (...args: string[]): Promise<string> =>
    succeed(inNamespacesOf(pid, ['ctr', '--namespace=k8s.io', ...args]));
  await waitUntil('containerd accepts commands', [...site.daemons.values()], async () => {
    await ctr('version');
    return true;
  });
  for (const image of site.images) await ctr('images', 'import', image);
  for (const [name, kind] of Object.entries(site.options.images ?? {}))
    await ctr('images', 'tag', IMAGE_NAMES[kind], name);
  return pid;
}

/** The kubelet requires its root in every controller, and in version 1 of cgroups a new one has no CPUs. */
async function createCgroups(name: string): Promise<void> {
  for (const controller of await readdir(CGROUPS)) {
    if (controller === 'unified') continue;
    const folder = join(CGROUPS, controller, name);
    await mkdir(folder);
    if (controller !== 'cpuset') continue;
    for (const file of ['cpuset.cpus', 'cpuset.mems'])
      await writeFile(join(folder, file), await readFile(join(CGROUPS, controller, file)));
  }
}

/** Connects a node to the control plane: the pod network, the kubelet and the service proxy. */
export async function joinNode(site: Site, node: NodePlan, pid: number): Promise<void> {
  const { kube, options } = site;
  const { proxyMode } = options;
  const mtu =
    options.podNetwork === 'static' ? await addRoute(node, pid) : await startFlannel(site, node, pid);
  await writeFile(join(node.folder, 'cni/10-flannel.conflist'), cniConfig(node, mtu));
  await writeFile(join(node.folder, 'resolv.conf'), '');
  await writeFile(join(node.folder, 'kubelet.json'), kubeletConfig(node, site.certificates));
  await writeKubeconfig(site, node.folder, 'kubelet', `${node.name}-token`);
  await startDaemon(site, `kubelet-${node.index}`, pid, [kube, ...kubeletArguments(node)]);
  if (proxyMode === 'none') return;
  await writeKubeconfig(site, node.folder, 'proxy', 'proxy-token');
  const argv = [kube, ...proxyArguments(node, proxyMode)];
  await startDaemon(site, `kube-proxy-${node.index}`, pid, argv);
  await waitUntil('kube-proxy has written rules', [...site.daemons.values()], async () => {
    await succeed(inNamespacesOf(pid, PROXY_RULES[proxyMode]));
    return true;
  });
}

/** Programs that fail until the rules of kube-proxy exist. */
const PROXY_RULES = {
  nftables: ['nft', 'list', 'chain', 'ip', 'kube-proxy', 'services'],
  iptables: ['iptables', '-t', 'nat', '-n', '-L', 'KUBE-SERVICES'],
} as const;

/** The route that flannel's host-gw sets. Returns the MTU of the pods. */
async function addRoute({ index }: NodePlan, pid: number): Promise<number> {
  const other = 1 - index;
  const route = [POD_RANGES[other] ?? '', 'via', NODE_ADDRESSES[other] ?? ''];
  await succeed(inNamespacesOf(pid, ['ip', 'route', 'add', ...route]));
  return 1500;
}

/** Returns the MTU of the pods, once flanneld has the node's lease. */
async function startFlannel(site: Site, node: NodePlan, pid: number): Promise<number> {
  await writeKubeconfig(site, node.folder, 'flannel', 'flannel-token');
  const config = {
    Network: CLUSTER_RANGE,
    EnableNFTables: false,
    Backend: { Type: site.options.podNetwork },
  };
  await writeFile(join(node.folder, 'net-conf.json'), JSON.stringify(config));
  const argv = [site.flanneld ?? '', ...flannelArguments(node)];
  await startDaemon(site, `flanneld-${node.index}`, pid, argv, { NODE_NAME: node.name });
  const lease = join(node.folder, 'subnet.env');
  await waitUntil('flanneld has a lease', [...site.daemons.values()], () => existsSync(lease));
  return Number(/^FLANNEL_MTU=(\d+)$/m.exec(await readFile(lease, 'utf8'))?.[1]);
}
