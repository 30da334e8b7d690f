import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { parseCpuList } from '../../src/schema/index.js';
import { allowedCpus, shareCpus } from '../../src/testbed/netns/open.js';

describe('a kernel list of CPUs', () => {
  test.each([
    ['0', [0]],
    ['0-3', [0, 1, 2, 3]],
    ['0-1,4,8-9', [0, 1, 4, 8, 9]],
  ])('%s', (list, cpus) => {
    expect(parseCpuList(list)).toEqual(cpus);
  });

  test('is read from a process status', () => {
    expect(allowedCpus('Name:\tnode\nCpus_allowed:\t3\nCpus_allowed_list:\t0-1\n', null)).toEqual([0, 1]);
  });

  test.each([
    ['0-7', '0-3,6\n', [0, 1, 2, 3, 6]],
    ['4-5', '0-7\n', [4, 5]],
    ['0-1', '', [0, 1]],
  ])('leaves out the CPUs that are offline: %s of %j', (allowed, online, cpus) => {
    expect(allowedCpus(`Cpus_allowed_list:\t${allowed}\n`, online)).toEqual(cpus);
  });

  test('that is missing is reported', () => {
    expect(() => allowedCpus('Name:\tnode\n', null)).toThrow(/allowed CPUs/);
  });
});

describe('the shares of client and server', () => {
  test('are disjoint halves of all CPUs', () => {
    fc.assert(
      fc.property(fc.uniqueArray(fc.nat(63), { minLength: 2, maxLength: 64 }), (cpus) => {
        const { client, server } = shareCpus(cpus);
        expect([...client, ...server]).toEqual(cpus);
        expect(server.length - client.length).toBeLessThanOrEqual(1);
        expect(client.length).toBeGreaterThan(0);
      }),
    );
  });

  test('are the same CPU on a machine with one', () => {
    expect(shareCpus([7])).toEqual({ client: [7], server: [7] });
  });
});
