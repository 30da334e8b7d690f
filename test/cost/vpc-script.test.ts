import { expect, test } from 'vitest';
import { shellScriptOf } from '../../src/cost/shell-script.js';

const AWS = { name: 'flannel-aws-vpc', knobs: {} };

test('the guest has a router in place of a VPC for flannel-aws-vpc, and for no other network', () => {
  expect(shellScriptOf(AWS).introduce).toContain('ip netns add bw-cost-vpc');
  expect(shellScriptOf(AWS).up).toContain('route add 198.19.2.0/24 via 198.18.1.1 dev vpc0');
  expect(shellScriptOf(AWS).through).toContainEqual({ place: 0, link: 'vpc0' });
  expect(shellScriptOf({ name: 'flannel-host-gw', knobs: {} }).introduce).not.toContain('vpc');
});
