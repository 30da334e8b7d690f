import { expect, test } from 'vitest';
import { requireLinkCapacity } from '../../src/study/link-capacity.js';
import { study } from '../stats/synthetic.js';

const at = (rps: number, workload: '350B' | '4KB' = '350B') =>
  study({ workloads: [workload], rates: { [workload]: [{ kind: 'absolute', rps }] } }).spec;

test('a rate whose responses exceed the link is refused, with the highest one that fits', () => {
  // 350 B take about 440 bytes on the wire: 2.8 million fill 10 Gbit/s.
  expect(() => requireLinkCapacity(at(3_000_000), 10_000)).toThrow(
    /3000000 requests\/s of 350B do not fit into the link of 10000/,
  );
  expect(() => requireLinkCapacity(at(2_500_000), 10_000)).not.toThrow();
});

test('the 2015 study fills 10 Gbit/s with 4 KB at about 270,000 requests/s', () => {
  expect(() => requireLinkCapacity(at(250_000, '4KB'), 10_000)).not.toThrow();
  expect(() => requireLinkCapacity(at(280_000, '4KB'), 10_000)).toThrow(
    /280000 requests\/s of 4KB do not fit/,
  );
});

test('shares of the maximum and unknown speeds are not refused', () => {
  const shares = study({ rates: { '350B': [{ kind: 'share', ofMax: 1 }] } }).spec;
  expect(() => requireLinkCapacity(shares, 1)).not.toThrow();
  expect(() => requireLinkCapacity(at(2_000_000), null)).not.toThrow();
});
