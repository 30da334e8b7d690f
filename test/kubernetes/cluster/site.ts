import { writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { API_SERVER } from './addresses.js';
import type { Certificates } from './certificates.js';
import { kubeconfig, type NodePlan, type NodeTaint } from './configuration.js';
import { Daemon } from './daemon.js';
import type { DaemonName } from './cluster.js';
import type { Namespaces } from './namespaces.js';

export interface ClusterOptions {
  /** `static` is routes as flannel's host-gw sets them; the other two are the real flanneld. */
  readonly podNetwork: 'static' | 'host-gw' | 'vxlan';
  readonly proxyMode: 'nftables' | 'iptables' | 'none';
  /** `node1` and `node2` by default. */
  readonly nodeNames?: readonly [string, string];
  readonly nodeLabels?: readonly [Readonly<Record<string, string>>, Readonly<Record<string, string>>];
  readonly nodeTaints?: readonly [readonly NodeTaint[], readonly NodeTaint[]];
  /** More names of the images of node and nginx, such as `registry.example/nginx:1`. */
  readonly images?: Readonly<Record<string, 'node' | 'nginx'>>;
}

/** A cluster that is being started. */
export interface Site {
  readonly options: ClusterOptions;
  readonly folder: string;
  readonly namespaces: Namespaces;
  readonly nodes: readonly [NodePlan, NodePlan];
  readonly certificates: Certificates;
  readonly daemons: Map<DaemonName, Daemon>;
  /** Paths of programs; `flanneld` is null with static routes. */
  readonly kube: string;
  readonly flanneld: string | null;
  /** Paths of docker-archives. */
  readonly images: readonly string[];
}

export async function startDaemon(
  site: Site,
  name: DaemonName,
  pid: number,
  argv: readonly string[],
  env: Readonly<Record<string, string>> = {},
): Promise<void> {
  const log = join(site.folder, 'log', `${name}.log`);
  const daemon = new Daemon(name, site.namespaces, { pid, argv, env, log });
  site.daemons.set(name, daemon);
  await daemon.start();
}

/** Writes a component's kubeconfig into a folder, and returns its path. */
export async function writeKubeconfig(
  site: Site,
  folder: string,
  component: string,
  token: string,
): Promise<string> {
  const path = join(folder, `${component}.kubeconfig`);
  const server = `https://${API_SERVER.address}:${API_SERVER.port}`;
  const ca = { 'certificate-authority': site.certificates.ca };
  await writeFile(path, kubeconfig('cluster', server, ca, { token }), { mode: 0o600 });
  return path;
}
