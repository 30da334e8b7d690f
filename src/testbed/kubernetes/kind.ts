import type { TestbedKind } from '../types.js';
import { readContext } from './context.js';
import { describeNetworks, podNetworksOf } from './described-networks.js';
import { Kubectl } from './kubectl.js';
import { isDescribed, POD_NETWORKS } from './networks.js';
import { createStudyNamespace, deleteDeadNamespaces } from './namespace.js';
import { API_PATIENCE_MS, openKubernetesTestbed } from './open.js';
import { kubernetesOptionsSchema, type KubernetesOptions } from './options.js';
import { deleteDeadRuns } from './owner.js';
import { planKubernetesTestbed } from './plan.js';

/** Two nodes of the user's cluster, reached by kubectl. */
export const KUBERNETES: TestbedKind<KubernetesOptions> = {
  name: 'kubernetes',
  usage: ['kubernetes', 'kubernetes:CONTEXT'],
  description: 'two nodes of your cluster',
  optionsSchema: kubernetesOptionsSchema,
  parse: (text) => kubernetesOptionsSchema.parse(text === null || text === '' ? {} : { context: text }),
  madeHere: false,
  usersMachines: true,
  givenNetworks: POD_NETWORKS,
  describeNetworks,
  describedNetworks: (options) => podNetworksOf(options).filter(isDescribed),
  plansNetworks: false,
  sharesHosts: 'in-restart',
  ownGenerators: true,
  restartMs: 6_500,
  spares: true,
  presetNetworks: ['host', 'pod', 'service', 'nodeport'],
  prepare: async (options) => {
    if (!options.createNamespace) return { [Symbol.asyncDispose]: () => Promise.resolve() };
    const target = await readContext(options);
    return await createStudyNamespace(
      new Kubectl({ ...target, namespace: null }, API_PATIENCE_MS),
      target.namespace,
    );
  },
  plan: planKubernetesTestbed,
  open: openKubernetesTestbed,
  undo: async (options) => {
    const kubectl = new Kubectl(await readContext(options));
    return [...(await deleteDeadRuns(kubectl)), ...(await deleteDeadNamespaces(kubectl))];
  },
};
