import { describe, expect, it } from 'vitest';
import { findShortage, quotaListSchema } from '../../../src/testbed/kubernetes/quota.js';

type Quantities = Readonly<Record<string, string>>;
const pod = (requests: Quantities, limits: Quantities) => ({
  kind: 'Pod',
  spec: { containers: [{ resources: { requests, limits } }, { resources: { requests: { cpu: '50m' } } }] },
});
/** 2.1 CPUs requested, 2 CPUs limited, 1 GiB. */
const OBJECTS = [
  { kind: 'Service', spec: { type: 'NodePort' } },
  { kind: 'Service', spec: { type: 'ClusterIP' } },
  pod({ cpu: '1', memory: '512Mi' }, { cpu: '1', memory: '512Mi' }),
  pod({ cpu: '1', memory: '512Mi' }, { cpu: '1', memory: '512Mi' }),
];

const shortageOf = (hard: Quantities, used: Quantities = {}, spec: object = {}) =>
  findShortage(
    quotaListSchema.parse({ items: [{ metadata: { name: 'team' }, spec, status: { hard, used } }] }).items,
    OBJECTS,
  );

describe('a quota', () => {
  it.each<[string, Quantities, Quantities]>([
    ['has room', { pods: '10', 'requests.cpu': '4' }, { pods: '8', 'requests.cpu': '1900m' }],
    ['has exactly enough', { 'requests.cpu': '2100m', 'limits.memory': '1Gi', pods: '2', services: '2' }, {}],
    ['counts in thousands', { pods: '5k', 'count/jobs.batch': '5k', 'requests.memory': '1e12' }, {}],
    [
      'limits what a study does not use',
      { 'requests.nvidia.com/gpu': '0', 'hugepages-2Mi': '1Gi', secrets: '0' },
      {},
    ],
    [
      'is exceeded in what a study does not use',
      { configmaps: '3', persistentvolumeclaims: '1' },
      { persistentvolumeclaims: '4' },
    ],
  ])('that %s admits the study', (_, hard, used) => {
    expect(shortageOf(hard, used)).toBeNull();
  });

  it.each<[string, string, string, string, number, number]>([
    ['pods', 'pods', '10', '9', 1, 2],
    ['pods, as a count of objects', 'count/pods', '2', '1', 1, 2],
    ['requested CPU', 'requests.cpu', '4', '2', 2, 2.1],
    ['CPU by its short name', 'cpu', '2', '0', 2, 2.1],
    ['limited CPU', 'limits.cpu', '1500m', '0', 1.5, 2],
    ['memory', 'requests.memory', '1Gi', '256Mi', 768 * 2 ** 20, 2 ** 30],
    ['services', 'services', '1', '0', 1, 2],
    ['node ports', 'services.nodeports', '0', '0', 0, 1],
  ])('without enough %s refuses it', (_, resource, hard, used, left, needed) => {
    expect(shortageOf({ [resource]: hard }, { [resource]: used })).toEqual({
      quota: 'team',
      resource,
      left,
      needed,
    });
  });

  it.each([
    ['BestEffort', { scopes: ['BestEffort'] }],
    ['Terminating', { scopes: ['Terminating', 'NotBestEffort'] }],
    [
      'a priority class',
      { scopeSelector: { matchExpressions: [{ scopeName: 'PriorityClass', operator: 'In' }] } },
    ],
  ])('of other pods (%s) does not count', (_, spec) => {
    expect(shortageOf({ pods: '0' }, {}, spec)).toBeNull();
  });

  it('of pods that run until they are deleted counts', () => {
    expect(shortageOf({ pods: '0' }, {}, { scopes: ['NotTerminating', 'NotBestEffort'] })).not.toBeNull();
  });
});
