import { expect, test } from 'vitest';
import { LATENCY_KEYS, type Cell } from '../../src/schema/index.js';
import { summarize } from '../../src/stats/index.js';
import { histogramOf, normal, seeded, study, slice } from './synthetic.js';

/** The cell of a network that takes 1.3 times as long as the reference. */
function contender(accel: string): Cell | undefined {
  const random = seeded(1);
  const draw = (medianNs: number) =>
    histogramOf(Array.from({ length: 2000 }, () => medianNs * Math.exp(0.2 * normal(random))));
  const slices = Array.from({ length: 5 }, (_, restart) => [
    slice({ id: `r${restart}-1`, restart, role: 'reference', network: 'host' }, draw(1e5)),
    slice({ id: `r${restart}-2`, restart, role: 'control', network: 'host' }, draw(1e5)),
    slice({ id: `r${restart}-3`, restart }, draw(1.3e5)),
  ]).flat();
  const { networks } = summarize(
    { ...study(), environment: { client: { accel }, server: { accel } } },
    slices,
  );
  return networks.find(({ name }) => name === 'flannel-vxlan')?.cells[0];
}

test('emulated hosts have latencies but no ratio and no verdict', () => {
  const cell = contender('tcg');
  expect(cell?.latencyMs.p99.value).toBeGreaterThan(0);
  const withheld = { value: null, finding: { code: 'emulated-times' } };
  for (const key of LATENCY_KEYS) expect(cell?.ratioToReference[key]).toEqual(withheld);
  expect(cell?.verdicts).toEqual({});
});

test('guests on real CPUs have ratios and verdicts', () => {
  const cell = contender('kvm');
  expect(cell?.ratioToReference.p99?.value).toBeGreaterThan(1.2);
  expect(cell?.verdicts.p99?.verdict).toBe('worse');
});
