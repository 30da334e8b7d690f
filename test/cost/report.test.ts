import { expect, test } from 'vitest';
import { againstReference, type BareNetwork, findCostWarnings } from '../../src/cost/warnings.js';
import { buildCostDocument, FORMATS, render } from '../../src/report/index.js';
import { addInstructions } from '../../src/stats/index.js';
import type { Cost, CostCell, KernelCost } from '../../src/schema/index.js';
import { fixtureSummary } from '../report/fixture.js';
import { renderStudy } from '../report/rendered.js';
import { sampleCost } from './sample.js';

const [kernel] = sampleCost.kernels;
const cellOf = (name: string): CostCell => {
  const found = kernel?.networks.find((network) => network.name === name)?.cells[0];
  if (found === undefined) throw new Error(name);
  return found;
};
const print = (cost: Cost): string =>
  render(buildCostDocument(cost), 'terminal', { colour: false, width: 120 });
const printed = print(sampleCost);

test('each network has its total, its parts and its difference to the reference', () => {
  expect(printed).toMatch(/^host +60,000 +20,000 +40,000 +– +– +±0\.10 %$/m);
  expect(printed).toMatch(/^macvlan +61,500 +20,000 +41,500 +\+1,500 +1\.025 +±0\.10 %$/m);
});

test('the groups in which networks differ most come first', () => {
  expect(printed).toMatch(/^kernel +macvlan +tcp +scheduling +rest$/m);
  expect(printed).toMatch(/^macvlan +1,450 +9,050 +31,000 +0$/m);
});

test('functions with more instructions than in the reference are listed', () => {
  expect(printed).toContain('macvlan over host: macvlan_xmit +1,450, tcp_xmit +50.');
});

test('a network that was not measured has a finding', () => {
  expect(printed).toContain('ipvlan, kernel 6.1.0: unsupported: the guest kernel has no ipvlan');
});

test('two kernels are compared network by network', () => {
  const dearer = { ...cellOf('host'), instructions: { total: 66_000, user: 20_000, kernel: 46_000 } };
  const later: KernelCost = {
    kernel: '6.12.0',
    networks: [{ name: 'host', what: '', status: 'measured', finding: null, cells: [dearer] }],
  };
  const text = print({ ...sampleCost, kernels: [...sampleCost.kernels, later] });
  expect(text).toMatch(/^instructions +6\.1\.0 +6\.12\.0 +ratio$/m);
  expect(text).toMatch(/^host +60,000 +66,000 +1\.100$/m);
  expect(text).toMatch(/^macvlan +61,500 +– +–$/m);
});

test('differences are to the reference at the same workload and connections', () => {
  const bare = (name: string, cells: readonly CostCell[]): BareNetwork => ({
    name,
    what: '',
    status: 'measured',
    finding: null,
    cells,
  });
  const other = { ...cellOf('macvlan'), connections: 1 };
  const found = againstReference([
    bare('host', [cellOf('host')]),
    bare('macvlan', [cellOf('macvlan'), other]),
  ]);
  expect(found.map(({ cells }) => cells.map(({ difference }) => difference?.total ?? null))).toEqual([
    [null],
    [1_500, null],
  ]);
});

test('counts that do not repeat or disagree with the trace give warnings', () => {
  const bad = { ...cellOf('host'), steady: false, spread: 0.012, tracedTotal: 70_000 };
  const network = { name: 'host', what: '', status: 'measured', finding: null, cells: [bad] } as const;
  expect(findCostWarnings([{ kernel: '6.1.0', networks: [{ ...network, cells: [bad] }] }])).toEqual([
    {
      code: 'repeats-differ',
      cell: 'host, 350B, 16 connections, kernel 6.1.0',
      repeats: 3,
      spread: 0.012,
      limit: 0.005,
    },
    expect.objectContaining({ code: 'trace-differs', requests: 112, traced: 70_000 }),
  ]);
  expect(findCostWarnings(sampleCost.kernels)).toEqual([]);
});

test("a study's reports show instructions per request as a column", () => {
  const study = fixtureSummary();
  const counted = addInstructions(study, sampleCost);
  const printedStudy = renderStudy(counted, 'terminal', 140);
  expect(printedStudy).toMatch(/^network .*instructions +knee +steps$/m);
  expect(printedStudy).toMatch(/^host .*60,000 +– +\d+$/m);
  expect(printedStudy).toMatch(/^macvlan .*61,500 \(1\.025×\)/m);
  expect(renderStudy(counted, 'html')).toContain('61,500 (1.025×)');
  expect(renderStudy(counted, 'csv')).toContain('instructions_per_request');
  expect(addInstructions(study, null)).toBe(study);
  expect(renderStudy(study, 'terminal', 140)).not.toContain('instructions');
});

test('a count renders in every format, a network that failed as a failed test case', () => {
  for (const format of FORMATS) expect(render(buildCostDocument(sampleCost), format)).toContain('macvlan');
  const junit = render(buildCostDocument(sampleCost), 'junit');
  expect(junit).toMatch(
    /classname="ipvlan, kernel 6\.1\.0" name="measured"><skipped message="[^"]*no ipvlan"/,
  );
  expect(junit).toContain('61,500 instructions per request');
});
