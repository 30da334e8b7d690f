import { expect, test } from 'vitest';
import { buildStudyDocument, render } from '../../src/report/index.js';
import type { Summary } from '../../src/schema/index.js';
import { fixtureSummary } from './fixture.js';

const text = (summary: Summary): string => render(buildStudyDocument(summary), 'markdown');

test('the decision says where the next network spends more CPU time', () => {
  expect(text(fixtureSummary())).toMatch(
    /Why flannel-vxlan is slower than macvlan: at \S+ [\d,]+\/s it takes [\d.]+ µs of CPU time more per request \([\d.]+ instead of [\d.]+\): (?=.*[\d.]+ more in softirq on the server)/,
  );
});

test('and where its additional instructions are, once they were counted', () => {
  const summary = fixtureSummary();
  const counted = (total: number, vxlan: number) => ({
    kernel: '6.12',
    workload: '350B',
    connections: 1,
    instructions: { total, user: 1_000, kernel: total - 1_000 },
    groups: [{ name: 'vxlan', instructions: vxlan }],
    ratio: null,
  });
  const networks = summary.networks.map((network) =>
    network.name === 'macvlan'
      ? { ...network, instructions: [counted(20_000, 0)] }
      : network.name === 'flannel-vxlan'
        ? { ...network, instructions: [counted(30_000, 6_000)] }
        : network,
  );
  expect(text({ ...summary, networks })).toContain(
    '10,000 instructions more per request: 6,000 more in vxlan',
  );
});

test('ties need no reason', () => {
  const summary = fixtureSummary();
  const { decision } = summary;
  if (decision === null) throw new Error('a fixture without a decision');
  const runnersUp = decision.runnersUp.map((other) => ({ ...other, tie: true }));
  expect(text({ ...summary, decision: { ...decision, runnersUp } })).not.toContain('is slower than');
});
