import { expect, test } from 'vitest';
import { showProgress } from '../../src/cli/study-progress.js';
import type { PlannedSlice, SliceRecord } from '../../src/schema/index.js';

const slice = (network: string, rateRps: number): PlannedSlice => ({
  id: `${network}-${rateRps}`,
  restart: 1,
  round: 1,
  order: 1,
  role: 'contender',
  network,
  workload: '350B',
  rateRps,
  rateOfMax: null,
});

test('a slice that ended is named by itself, also when the next one has started', () => {
  const lines: string[] = [];
  const show = showProgress({
    live: false,
    colour: false,
    width: 80,
    note: (line) => void lines.push(line),
    status: () => undefined,
    print: () => undefined,
  });
  const start = (planned: PlannedSlice, position: number): void =>
    show({ kind: 'slice-started', planned, position, of: 2, leftMs: null });
  start(slice('pod', 500), 1);
  start(slice('service', 1_000), 2);
  const record: SliceRecord = {
    schema: 2,
    startedAt: '2026-01-01T00:00:00.000Z',
    ...slice('pod', 500),
    wallMs: 1,
    measuredMs: 0,
    setup: null,
    status: 'failed',
    finding: { code: 'slice-failed', error: 'load-failed', message: 'refused' },
  };
  show({ kind: 'slice-ended', record, p99Ms: null });
  expect(lines.at(-1)).toMatch(/^\[1\/2\] restart 1: pod 350B at 500\/s: failed: /);
});
