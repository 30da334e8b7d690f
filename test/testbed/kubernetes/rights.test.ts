import { describe, expect, it } from 'vitest';
import {
  mayUse,
  requireRights,
  RIGHTS,
  rolesFor,
  type Right,
} from '../../../src/testbed/kubernetes/rights.js';

interface Role {
  readonly kind: string;
  readonly metadata: { readonly name: string; readonly namespace?: string };
  readonly rules?: readonly {
    readonly apiGroups: string[];
    readonly resources: string[];
    readonly verbs: string[];
  }[];
  readonly subjects?: readonly unknown[];
  readonly roleRef?: { readonly kind: string; readonly name: string };
}
const roles = rolesFor('perf', 'runner') as unknown as readonly Role[];
const textOf = (group: string, resource: string, verb: string) => `${verb} ${resource} (${group})`;
const grantedBy = (kind: string): string[] =>
  roles
    .filter((role) => role.kind === kind)
    .flatMap(({ rules = [] }) => rules)
    .flatMap(({ apiGroups, resources, verbs }) =>
      apiGroups.flatMap((group) =>
        resources.flatMap((resource) => verbs.map((verb) => textOf(group, resource, verb))),
      ),
    );
const rightsOf = (scope: Right['scope']): string[] =>
  RIGHTS.filter((right) => right.scope === scope).map(({ group, resource, verb }) =>
    textOf(group, resource, verb),
  );

describe('the printed roles', () => {
  it('grant every right once, and no other', () => {
    expect(grantedBy('Role').toSorted()).toEqual(rightsOf('namespace').toSorted());
    expect(grantedBy('ClusterRole').toSorted()).toEqual(rightsOf('cluster').toSorted());
    for (const kind of ['Role', 'ClusterRole'])
      expect(new Set(grantedBy(kind)).size).toBe(grantedBy(kind).length);
  });

  it('read only outside of the namespace', () => {
    const verbs = RIGHTS.filter(({ scope }) => scope === 'cluster').map(({ verb }) => verb);
    expect(new Set(verbs)).toEqual(new Set(['list']));
    expect(JSON.stringify(roles)).not.toContain('*');
  });

  it('are bound to the account of the namespace', () => {
    expect(roles.map(({ kind, metadata }) => [kind, metadata.name, metadata.namespace])).toEqual([
      ['Role', 'barewire', 'perf'],
      ['RoleBinding', 'barewire', 'perf'],
      ['ClusterRole', 'barewire', undefined],
      ['ClusterRoleBinding', 'barewire-perf', undefined],
    ]);
    for (const { subjects, roleRef, kind } of roles)
      if (subjects !== undefined) {
        expect(subjects).toEqual([{ kind: 'ServiceAccount', name: 'runner', namespace: 'perf' }]);
        expect(roleRef).toMatchObject({ kind: kind.replace('Binding', ''), name: 'barewire' });
      }
  });
});

describe('a missing right', () => {
  it.each(RIGHTS.map((right) => [`${right.verb} ${right.resource} (${right.scope})`, right] as const))(
    '%s is refused if needed, and otherwise has what is lost',
    (_, right) => {
      if (right.optional === null)
        expect(() => requireRights([right], 'perf')).toThrow(
          `This account lacks rights in the namespace perf: ${right.verb} ${right.resource}.`,
        );
      else {
        requireRights([right], 'perf');
        expect(right.optional.length).toBeGreaterThan(10);
      }
      expect(mayUse([right], right.resource, right.scope)).toBe(false);
    },
  );

  it('of pods in other namespaces is not one of pods in its own', () => {
    const missing = RIGHTS.filter(({ resource, scope }) => resource === 'pods' && scope === 'cluster');
    expect([mayUse(missing, 'pods'), mayUse(missing, 'pods', 'cluster')]).toEqual([true, false]);
  });
});
