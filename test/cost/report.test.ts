import { expect, test } from 'vitest';
import { againstReference, type BareNetwork } from '../../src/cost/difference.js';
import { warningsOf } from '../../src/cost/warnings.js';
import { csvReport, htmlReport, terminalCost, terminalReport } from '../../src/report/index.js';
import { withPathLengths } from '../../src/stats/index.js';
import type { CostCell, KernelCost } from '../../src/schema/index.js';
import { fixtureSummary } from '../report/fixture.js';
import { sampleCost } from './sample.js';

const [kernel] = sampleCost.kernels;
const cellOf = (name: string): CostCell => {
  const found = kernel?.networks.find((network) => network.name === name)?.cells[0];
  if (found === undefined) throw new Error(name);
  return found;
};
const printed = terminalCost(sampleCost, { colour: false, width: 120 });

test('each network has its total, its parts and its difference to the reference in a row', () => {
  expect(printed).toMatch(/^host +60,000 +20,000 +40,000 +– +– +±0\.10 %$/m);
  expect(printed).toMatch(/^macvlan +61,500 +20,000 +41,500 +\+1,500 +1\.025 +±0\.10 %$/m);
});

test('the groups in which networks differ most come first', () => {
  expect(printed).toMatch(/^the kernel's part +macvlan +tcp +scheduling +the rest$/m);
  expect(printed).toMatch(/^macvlan +1,450 +9,050 +31,000 +0$/m);
});

test('the functions that a network has more of are named', () => {
  expect(printed).toContain('macvlan over host: macvlan_xmit +1,450, tcp_xmit +50.');
});

test('a network that was not measured has its reason', () => {
  expect(printed).toContain("ipvlan, kernel 6.1.0: unsupported: the guest's kernel has no ipvlan");
});

test('two kernels are compared network by network', () => {
  const dearer = { ...cellOf('host'), instructions: { total: 66_000, user: 20_000, kernel: 46_000 } };
  const later: KernelCost = {
    kernel: '6.12.0',
    networks: [{ name: 'host', what: '', status: 'measured', reason: null, cells: [dearer] }],
  };
  const text = terminalCost(
    { ...sampleCost, kernels: [...sampleCost.kernels, later] },
    { colour: false, width: 120 },
  );
  expect(text).toMatch(/^instructions +6\.1\.0 +6\.12\.0 +ratio$/m);
  expect(text).toMatch(/^host +60,000 +66,000 +1\.100$/m);
  expect(text).toMatch(/^macvlan +61,500 +– +–$/m);
});

test('differences are to the reference of the same load, and none without one', () => {
  const bare = (name: string, cells: readonly CostCell[]): BareNetwork => ({
    name,
    what: '',
    status: 'measured',
    reason: null,
    cells,
  });
  const other = { ...cellOf('macvlan'), connections: 1 };
  const found = againstReference(
    [bare('host', [cellOf('host')]), bare('macvlan', [cellOf('macvlan'), other])],
    'host',
  );
  expect(found.map(({ cells }) => cells.map(({ difference }) => difference?.total ?? null))).toEqual([
    [null],
    [1_500, null],
  ]);
});

test('what does not repeat and what contradicts itself is warned of', () => {
  const bad = { ...cellOf('host'), steady: false, spread: 0.012, tracedTotal: 70_000 };
  const network = { name: 'host', what: '', status: 'measured', reason: null, cells: [bad] } as const;
  expect(warningsOf([{ kernel: '6.1.0', networks: [{ ...network, cells: [bad] }] }])).toEqual([
    'host, 350B, 16 connections, kernel 6.1.0: the 3 repeats differ by up to 1.20 % from their median, more than 0.50 %.',
    "host, 350B, 16 connections, kernel 6.1.0: the trace of 112 requests has 70000 instructions for each, 16.67 % from the clock's count.",
  ]);
  expect(warningsOf(sampleCost.kernels)).toEqual([]);
});

test("a study's reports take the path lengths of its networks up as a column", () => {
  const study = fixtureSummary();
  const withOwn = withPathLengths(study, sampleCost);
  const text = terminalReport(withOwn, { colour: false, width: 140 });
  expect(text).toMatch(/^network .*instructions +setup steps$/m);
  expect(text).toMatch(/^host .*60,000 +\d+$/m);
  expect(text).toMatch(/^macvlan .*61,500 \(1\.025×\)/m);
  expect(htmlReport(withOwn)).toContain('61,500 (1.025×)');
  expect(csvReport(withOwn)).toContain('instructions_per_request');
  expect(withPathLengths(study, null)).toBe(study);
  expect(terminalReport(study, { colour: false, width: 140 })).not.toContain('instructions');
});
