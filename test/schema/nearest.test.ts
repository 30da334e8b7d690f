import { expect, test } from 'vitest';
import { didYouMean, nearest } from '../../src/schema/index.js';

const NAMES = ['flannel-vxlan', 'macvlan', 'nodes', 'workloads'];

test.each([
  ['flannel-vx', 'flannel-vxlan'],
  ['MACVLAM', 'macvlan'],
  ['workload', 'workloads'],
])('%s: %s was meant', (asked, meant) => {
  expect(nearest(asked, NAMES)).toBe(meant);
  expect(didYouMean(asked, NAMES)).toBe(`Did you mean "${meant}"? `);
});

test.each(['load', 'cilium', ''])('nothing like "%s" is proposed', (asked) => {
  expect(didYouMean(asked, NAMES)).toBe('');
});
