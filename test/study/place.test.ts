import { describe, expect, test } from 'vitest';
import { parseTestbed, preset, resolveSpec } from '../../src/study/index.js';

describe('a place', () => {
  test.each([
    ['netns', { testbed: 'netns' }],
    ['vm', { testbed: 'vm' }],
    ['vm:/boot/vmlinuz-6.1.0', { testbed: 'vm', kernel: '/boot/vmlinuz-6.1.0' }],
    ['ssh:web1,root@db1/eth2', { testbed: 'ssh', hosts: { client: 'web1', server: 'root@db1/eth2' } }],
  ])('%s', (text, place) => expect(parseTestbed(text)).toEqual(place));

  test.each(['', 'vm:', 'ssh:', 'ssh:one', 'ssh:one,two,three', 'netns:x', 'kubernetes'])(
    'refuses %j',
    (text) => expect(parseTestbed(text)).toBeNull(),
  );
});

test('a spec keeps the machines and the kernel that its testbed names', () => {
  const resolve = (testbed: string) => resolveSpec(preset('quick'), 'quick', { testbed }, () => 1);
  expect(resolve('ssh:a,b')).toMatchObject({ testbed: 'ssh', hosts: { client: 'a', server: 'b' } });
  expect(resolve('vm:/k')).toMatchObject({ testbed: 'vm', kernel: '/k' });
  expect(() => resolve('vm1')).toThrow(/testbed is "vm1": write netns, vm/);
});
