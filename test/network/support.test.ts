import { describe, expect, test } from 'vitest';
import { findNetwork, support } from '../../src/network/index.js';

const YES = { answer: 'yes' } as const;
const NO = { answer: 'no', reason: 'this kernel (6.18.5) has no ipvlan' } as const;
const UNKNOWN = { answer: 'unknown', reason: 'not permitted' } as const;

describe('whether a machine can run a network', () => {
  test('is yes with all requirements', () => {
    const status = support(findNetwork('flannel-vxlan'), [YES, YES, YES, YES, YES]);
    expect(status).toMatchObject({ name: 'flannel-vxlan', support: 'yes', finding: null });
  });

  test('is no with a finding when one requirement is missing', () => {
    const status = support(findNetwork('ipvlan'), [NO]);
    expect(status.support).toBe('no');
    expect(status.finding).toEqual({
      code: 'link-type-missing',
      type: 'ipvlan',
      detail: 'this kernel (6.18.5) has no ipvlan',
    });
  });

  test('is unknown when a probe is inconclusive', () => {
    expect(support(findNetwork('ipvlan'), [UNKNOWN])).toMatchObject({
      support: 'unknown',
      finding: { code: 'link-type-missing', detail: 'not permitted' },
    });
  });

  test('is no when one requirement is missing and another is unknown', () => {
    expect(support(findNetwork('flannel-host-gw'), [UNKNOWN, NO]).support).toBe('no');
  });

  test('is no over IPv6 for a network that carries IPv4 only', () => {
    const status = support(findNetwork('flannel-ipip'), [YES, YES, YES, YES], 6);
    expect(status).toMatchObject({ support: 'no', finding: { code: 'ipv6-unsupported' } });
    expect(support(findNetwork('flannel-vxlan'), [YES, YES, YES, YES, YES], 6).support).toBe('yes');
  });

  test('names the package of a missing tool', () => {
    const without = { answer: 'no', reason: 'there is no program wg' } as const;
    const status = support(findNetwork('flannel-wireguard'), [YES, YES, YES, YES, without]);
    expect(status.finding).toMatchObject({ code: 'tool-missing', tool: 'wg', package: 'wireguard-tools' });
  });

  test('is unknown without a probe', () => {
    expect(support(findNetwork('macvlan'), [])).toMatchObject({ support: 'unknown' });
  });

  test('is yes for the reference everywhere', () => {
    expect(support(findNetwork('host'), []).support).toBe('yes');
  });
});
