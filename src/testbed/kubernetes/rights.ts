import * as z from 'zod';
import { machineError } from '../../schema/index.js';
import type { Kubectl } from './kubectl.js';

/** A right that a study uses. */
export interface Right {
  readonly group: string;
  readonly resource: string;
  readonly verb: string;
  /** Rights on nodes, and on pods of other namespaces. */
  readonly scope: 'namespace' | 'cluster';
  /** What is lost without it; null for a right without which a study cannot run. */
  readonly optional: string | null;
}

const inNamespace = (
  group: string,
  resource: string,
  verbs: string,
  optional: string | null = null,
): Right[] => verbs.split(' ').map((verb) => ({ group, resource, verb, scope: 'namespace', optional }));
const inCluster = (group: string, resource: string, verbs: string, optional: string): Right[] =>
  verbs.split(' ').map((verb) => ({ group, resource, verb, scope: 'cluster', optional }));

/** Every right that a study, its preflight and its cleanup use. `barewire kubernetes rbac` prints them as roles. */
export const RIGHTS: readonly Right[] = [
  ...inNamespace('', 'configmaps', 'create get list delete patch'),
  ...inNamespace('', 'pods', 'create get list delete'),
  ...inNamespace('', 'pods/exec', 'create get'),
  ...inNamespace('', 'services', 'create get delete', 'the networks service, nodeport and service-local'),
  ...inNamespace('', 'events', 'list', 'the reason of a pod that does not start'),
  ...inNamespace('', 'resourcequotas', 'list', 'the check of quotas before the study'),
  ...inNamespace(
    'networking.k8s.io',
    'networkpolicies',
    'list create delete',
    'a policy that admits the pods to each other where the namespace denies by default',
  ),
  ...inCluster('', 'nodes', 'list', 'the choice of nodes: name them by --nodes'),
  ...inCluster('', 'pods', 'list', 'the other pods of the nodes, and the versions of the CNI and kube-proxy'),
];

const reviewList = z.union([
  z.object({ items: z.array(z.object({ status: z.object({ allowed: z.boolean() }) })) }),
  z.object({ status: z.object({ allowed: z.boolean() }) }).transform((one) => ({ items: [one] })),
]);

/** Asks the API server which rights this account lacks. Creates nothing that is stored. */
export async function findMissingRights(kubectl: Kubectl, namespace: string): Promise<readonly Right[]> {
  const items = RIGHTS.map(({ group, resource, verb, scope }) => {
    const [name, subresource] = resource.split('/');
    return {
      apiVersion: 'authorization.k8s.io/v1',
      kind: 'SelfSubjectAccessReview',
      spec: {
        resourceAttributes: {
          group,
          resource: name,
          ...(subresource === undefined ? {} : { subresource }),
          verb,
          ...(scope === 'namespace' ? { namespace } : {}),
        },
      },
    };
  });
  const list = JSON.stringify({ apiVersion: 'v1', kind: 'List', items });
  const { code, stdout } = await kubectl.run(['create', '-f', '-', '-o', 'json'], list);
  // An account that may not even ask: what is missing shows when it is used.
  if (code !== 0) return [];
  const answers = parseReviews(stdout);
  return RIGHTS.filter((_, index) => answers[index] === false);
}

/** kubectl prints one List, or the objects one after another. */
function parseReviews(stdout: string): readonly boolean[] {
  const texts = stdout.trim().split(/\n(?=\{)/);
  return texts.flatMap((text) =>
    reviewList.parse(JSON.parse(text)).items.map(({ status }) => status.allowed),
  );
}

/** @throws BarewireError `cluster-refused` with all rights without which a study cannot run */
export function requireRights(missing: readonly Right[], namespace: string): void {
  const needed = missing.filter(({ optional }) => optional === null);
  if (needed.length === 0) return;
  throw machineError(
    'cluster-refused',
    `This account lacks rights in the namespace ${namespace}: ${needed.map(({ verb, resource }) => `${verb} ${resource}`).join(', ')}.`,
    'Give the output of `barewire kubernetes rbac` to who administers the cluster.',
  );
}

/** True when none of the rights on a resource is missing. */
export const mayUse = (
  missing: readonly Right[],
  resource: string,
  scope: Right['scope'] = 'namespace',
): boolean => !missing.some((right) => right.resource === resource && right.scope === scope);

/** The Role of a namespace, and the ClusterRole of the optional reading rights, with their bindings, as YAML documents. */
export function rolesFor(namespace: string, account: string): readonly Readonly<Record<string, unknown>>[] {
  const rulesOf = (scope: Right['scope']) => {
    const rules = new Map<string, { apiGroups: string[]; resources: string[]; verbs: string[] }>();
    for (const { group, resource, verb } of RIGHTS.filter((right) => right.scope === scope)) {
      const rule = rules.get(`${group}/${resource}`);
      if (rule === undefined)
        rules.set(`${group}/${resource}`, { apiGroups: [group], resources: [resource], verbs: [verb] });
      else rule.verbs.push(verb);
    }
    return [...rules.values()];
  };
  const name = 'barewire';
  const subjects = [{ kind: 'ServiceAccount', name: account, namespace }];
  const apiVersion = 'rbac.authorization.k8s.io/v1';
  const reference = (kind: string) => ({ apiGroup: 'rbac.authorization.k8s.io', kind, name });
  return [
    { apiVersion, kind: 'Role', metadata: { name, namespace }, rules: rulesOf('namespace') },
    { apiVersion, kind: 'RoleBinding', metadata: { name, namespace }, subjects, roleRef: reference('Role') },
    { apiVersion, kind: 'ClusterRole', metadata: { name }, rules: rulesOf('cluster') },
    {
      apiVersion,
      kind: 'ClusterRoleBinding',
      metadata: { name: `${name}-${namespace}` },
      subjects,
      roleRef: reference('ClusterRole'),
    },
  ];
}
