import { mkdir, readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { Api } from './api.js';
import {
  apiServerArguments,
  etcdArguments,
  kubeconfig,
  managerArguments,
  nodeObject,
  schedulerArguments,
  tokenFile,
} from './configuration.js';
import { startRelay } from './relay.js';
import { startDaemon, writeKubeconfig, type Site } from './site.js';
import { waitUntil } from './wait.js';

export interface Access {
  readonly api: Api;
  readonly kubeconfig: string;
  readonly kubectlDir: string;
}

/** Starts etcd, the API server, the controllers and the scheduler, and creates the Node objects. */
export async function startControlPlane(site: Site): Promise<Access> {
  const { certificates, daemons, folder, kube, options } = site;
  const { pid } = site.namespaces;
  const tokens = join(folder, 'pki/tokens.csv');
  await writeFile(tokens, tokenFile(site.nodes.map(({ name }) => name)), { mode: 0o600 });
  await startDaemon(site, 'etcd', pid, [kube, ...etcdArguments()]);
  await startDaemon(site, 'kube-apiserver', pid, [kube, ...apiServerArguments(certificates, tokens)]);
  const access = await openAccess(site);
  const { api } = access;
  const manager = await writeKubeconfig(site, folder, 'manager', 'manager-token');
  const scheduler = await writeKubeconfig(site, folder, 'scheduler', 'scheduler-token');
  await waitUntil('the API server is ready', [...daemons.values()], async () => {
    const { status } = await api.request('/readyz');
    return status === 200;
  });
  for (const node of site.nodes) {
    const labels = options.nodeLabels?.[node.index] ?? {};
    const taints = options.nodeTaints?.[node.index] ?? [];
    const { status, body } = await api.request('/api/v1/nodes', { create: nodeObject(node, labels, taints) });
    if (status !== 201) throw new Error(`Creating ${node.name} failed: ${body}`);
  }
  await Promise.all([
    startDaemon(site, 'kube-controller-manager', pid, [kube, ...managerArguments(certificates, manager)]),
    startDaemon(site, 'kube-scheduler', pid, [kube, ...schedulerArguments(scheduler)]),
  ]);
  return access;
}

/** Makes the API server reachable from this machine, with a kubeconfig and a kubectl. */
async function openAccess({ certificates, folder, kube, namespaces }: Site): Promise<Access> {
  const ca = await readFile(certificates.ca);
  const cert = await readFile(certificates.admin.certificate);
  const key = await readFile(certificates.admin.key);
  const port = await startRelay(namespaces);
  const user = {
    'client-certificate-data': cert.toString('base64'),
    'client-key-data': key.toString('base64'),
  };
  const authority = { 'certificate-authority-data': ca.toString('base64') };
  const path = join(folder, 'kubeconfig');
  await writeFile(path, kubeconfig('barewire-test', `https://127.0.0.1:${port}`, authority, user), {
    mode: 0o600,
  });
  const kubectlDir = join(folder, 'bin');
  await mkdir(kubectlDir);
  // kubectl would write its cache of the API into the home directory.
  const kubectl = `#!/bin/sh\nexport KUBECACHEDIR='${folder}/kubectl-cache'\nexec '${kube}' kubectl "$@"\n`;
  await writeFile(join(kubectlDir, 'kubectl'), kubectl, { mode: 0o755 });
  return { api: new Api(port, { ca, cert, key }), kubeconfig: path, kubectlDir };
}
