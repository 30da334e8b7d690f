import type { TestbedKind } from '../types.js';
import { readContext } from './context.js';
import { Kubectl } from './kubectl.js';
import { POD_NETWORKS } from './networks.js';
import { openKubernetesTestbed } from './open.js';
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
  plansNetworks: false,
  sharesHosts: 'in-restart',
  ownGenerators: true,
  restartMs: 7_000,
  spares: true,
  presetNetworks: ['host', 'pod', 'service', 'nodeport'],
  plan: planKubernetesTestbed,
  open: openKubernetesTestbed,
  undo: async (options) => await deleteDeadRuns(new Kubectl(await readContext(options))),
};
