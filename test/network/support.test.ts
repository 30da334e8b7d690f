import { describe, expect, test } from 'vitest';
import { findNetwork, support } from '../../src/network/index.js';

const YES = { answer: 'yes' } as const;
const NO = { answer: 'no', reason: 'this kernel (6.18.5) has no ipvlan' } as const;
const UNKNOWN = { answer: 'unknown', reason: 'not allowed to ask' } as const;

describe('whether a machine can run a network', () => {
  test('is a yes when it has all that is required', () => {
    const status = support(findNetwork('flannel-vxlan'), [YES, YES, YES, YES]);
    expect(status).toMatchObject({ name: 'flannel-vxlan', support: 'yes', reason: null, remedy: null });
  });

  test('is a no with reason and remedy when one thing is missing', () => {
    const status = support(findNetwork('ipvlan'), [NO]);
    expect(status.support).toBe('no');
    expect(status.reason).toBe('this kernel (6.18.5) has no ipvlan');
    expect(status.remedy).toContain('modprobe ipvlan');
    expect(status.remedy).toContain('a testbed whose kernel has it');
  });

  test('is an unknown when a probe could not tell', () => {
    expect(support(findNetwork('ipvlan'), [UNKNOWN])).toMatchObject({
      support: 'unknown',
      reason: 'not allowed to ask',
    });
  });

  test('is a no when one thing is missing and another could not be told', () => {
    expect(support(findNetwork('flannel-host-gw'), [UNKNOWN, NO]).support).toBe('no');
  });

  test('is a no with the reason over IPv6 where it carries IPv4 alone', () => {
    const status = support(findNetwork('flannel-ipip'), [YES, YES, YES], 6);
    expect(status).toMatchObject({ support: 'no', remedy: 'Measure it over IPv4.' });
    expect(status.reason).toContain('IPv4 tunnels alone');
    expect(support(findNetwork('flannel-vxlan'), [YES, YES, YES, YES], 6).support).toBe('yes');
  });

  test('says which package has a tool that is missing', () => {
    const without = { answer: 'no', reason: 'there is no program wg' } as const;
    const status = support(findNetwork('flannel-wireguard'), [YES, YES, YES, without]);
    expect(status.remedy).toBe('Install wireguard-tools (it has wg) on every host.');
  });

  test('is an unknown when nobody asked', () => {
    expect(support(findNetwork('macvlan'), [])).toMatchObject({ support: 'unknown' });
  });

  test('is a yes for the reference everywhere', () => {
    expect(support(findNetwork('host'), []).support).toBe('yes');
  });
});
