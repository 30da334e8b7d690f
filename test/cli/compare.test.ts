import { Ajv2020 } from 'ajv/dist/2020.js';
import { readFileSync } from 'node:fs';
import { appendFile, cp, mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { describeFinding } from '../../src/report/index.js';
import type { Comparison, Summary } from '../../src/schema/index.js';
import { histogramOf, study } from '../stats/synthetic.js';
import { barewire } from './barewire.js';
import { makeResults } from './made-results.js';

const FACTORS = { 'flannel-vxlan': 1.3, macvlan: 1.05 };

let folder: string;
let base: string;
const at = (...names: string[]): string => join(folder, ...names);

beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), 'barewire-compare-'));
  base = at('base');
  await makeResults(base, { seed: 1, factors: FACTORS });
  await makeResults(at('same'), { seed: 2, factors: FACTORS });
  await makeResults(at('slower'), { seed: 3, factors: { ...FACTORS, 'flannel-vxlan': 1.6 } });
});
afterAll(() => rm(folder, { recursive: true }));

const compared = async (...args: string[]): Promise<Comparison & { status: number | null }> => {
  const { status, stdout } = await barewire(['compare', '--json', ...args]);
  return { ...(JSON.parse(stdout) as Comparison), status };
};

describe('the exit status', () => {
  it('is 0 for two equal runs', async () => {
    const { status, stdout, stderr } = await barewire(['compare', base, at('same')]);
    expect(stdout).toContain('No regression: nothing is worse by more than 5 % and chance.');
    expect([status, stderr]).toEqual([0, '']);
  });

  it('is 1 for a regression, which is printed with its ratio', async () => {
    const { status, stdout } = await barewire(['compare', base, at('slower')]);
    const words = stdout.replace(/\s+/g, ' ');
    expect(words).toMatch(
      /Regression: flannel-vxlan, 350B at 1,000 requests\/s: p99 is 1\.2\d \(1\.\d+–1\.\d+\) times the base's \(margin 5 %\)/,
    );
    expect(words).not.toMatch(/Regression: (macvlan|host)/);
    expect(status).toBe(1);
  });

  it('is 0 for an improvement', async () => {
    expect((await barewire(['compare', at('slower'), base])).status).toBe(0);
  });

  it.each(['30%', '.3'])('is 0 for what lies within a margin of %s', async (margin) => {
    const { status, stdout } = await barewire(['compare', base, at('slower'), '--margin', margin]);
    expect(stdout).toContain('worse by more than 30 % and chance');
    expect(status).toBe(0);
  });

  it('is 0 for one restart, with a finding that it decides nothing', async () => {
    await makeResults(at('single'), { seed: 4, factors: { ...FACTORS, macvlan: 3 }, restarts: 1 });
    const { status, stdout } = await barewire(['compare', base, at('single')]);
    expect(stdout).toContain('new: Has 1 restart: what another set-up would change is not known.');
    expect(stdout).toContain('No regression is shown and none is excluded');
    expect(stdout).toMatch(/A ratio without an interval/);
    expect(status).toBe(0);
  });
});

describe('the differences between the runs', () => {
  it('are printed before any estimate', async () => {
    const environment = { client: { kernel: '6.19', cpus: 2 } };
    await makeResults(at('elsewhere'), { seed: 5, factors: FACTORS, changes: { environment } });
    const { stdout } = await barewire(['compare', base, at('elsewhere')]);
    expect(stdout).toMatch(/client: kernel +6\.18 +6\.19/);
    expect(stdout).toMatch(/client: cpus +– +2/);
    expect(stdout.indexOf('client: kernel')).toBeLessThan(stdout.indexOf('In short'));
  });

  it('lists cells of only one run and compares the others', async () => {
    await makeResults(at('other'), { seed: 6, factors: { macvlan: 1.05, ipvlan: 1.1 } });
    const { cells, onlyA, onlyB, status } = await compared(base, at('other'));
    expect(cells.map(({ network }) => network)).toEqual(['host', 'macvlan']);
    expect(onlyA.map(({ network }) => network)).toEqual(['flannel-vxlan']);
    expect(onlyB.map(({ network }) => network)).toEqual(['ipvlan']);
    expect(status).toBe(0);
    const { stdout } = await barewire(['compare', base, at('other')]);
    expect(stdout).toMatch(/Only in the base\n- flannel-vxlan, 350B at 1,000/);
    expect(stdout).toMatch(/Only in the new run\n- ipvlan, 350B at 1,000/);
  });

  it('is 2 without a common cell, with the cells of each run', async () => {
    await makeResults(at('faster'), { seed: 7, factors: FACTORS, rateRps: 9000 });
    const { status, stdout, stderr } = await barewire(['compare', base, at('faster')]);
    expect(stderr).toMatch(/no network, workload and rate in common/);
    expect(stdout).toMatch(/host, 350B at 9,000 requests\/s/);
    expect(status).toBe(2);
  });
});

describe('a wrong request', () => {
  it.each<[string, string[], RegExp]>([
    [
      'a directory of no study',
      ['FOLDER', 'FOLDER/base'],
      /Could not read .*study\.json.*\n.*results directory/,
    ],
    ['a file', ['FOLDER/base', 'FOLDER/base/study.json'], /Could not read .*study\.json/],
    ['nowhere', ['FOLDER/base', '/nowhere'], /Could not read \/nowhere\/study\.json/],
    ['a single directory', ['FOLDER/base'], /missing required argument 'new'/],
    [
      'a margin of none',
      ['FOLDER/base', 'FOLDER/same', '--margin', 'small'],
      /--margin must be .*, got "small".*\n.*5%/,
    ],
    ['a margin of 0', ['FOLDER/base', 'FOLDER/same', '--margin', '0'], /--margin must be .*, got "0"/],
    [
      'a margin without a unit',
      ['FOLDER/base', 'FOLDER/same', '--margin', '5'],
      /--margin must be .*, got "5"/,
    ],
  ])('%s ends with status 2', async (_, args, message) => {
    const { status, stderr, stdout } = await barewire([
      'compare',
      ...args.map((word) => word.replace('FOLDER', folder)),
    ]);
    expect(stderr).toMatch(message);
    expect([status, stdout]).toEqual([2, '']);
  });

  it('names the version of an incompatible study.json', async () => {
    await cp(base, at('later'), { recursive: true });
    await writeFile(at('later', 'study.json'), JSON.stringify({ ...study(), schema: 7 }));
    const { status, stderr } = await barewire(['compare', base, at('later')]);
    expect(stderr).toMatch(
      /Refused .*later\/study\.json: has schema version 7; this Barewire reads version 2/,
    );
    expect(status).toBe(2);
  });
});

describe('damaged files are reported, and the rest is analysed', () => {
  const damage: [string, () => Promise<unknown>, RegExp][] = [
    [
      'a histogram that was cut off',
      () => changeLog('r1-01', 'response', (encoded) => encoded.slice(0, 60)),
      /latency\.hlog, response of r1-01: .*cannot be decoded/,
    ],
    [
      'a histogram that is missing',
      () => changeLog('r2-03', 'service', () => null),
      /latency\.hlog, service of r2-03: is missing/,
    ],
    [
      'a histogram that is none',
      () => changeLog('r3-01', 'response', () => 'no histogram'),
      /latency\.hlog, response of r3-01: .*cannot be decoded/,
    ],
    [
      'a histogram of another slice',
      () => changeLog('r4-02', 'response', () => histogramOf([1, 2, 3]).encode()),
      /latency\.hlog, response of r4-02: has 3 samples, but its slice has 1,000 responses/,
    ],
    [
      'a line of another version',
      () => appendFile(at('bad', 'slices.jsonl'), '{"schema":4}\n'),
      /slices\.jsonl, line 25: has schema version 4; this Barewire reads version 2/,
    ],
    [
      'a line that is no JSON',
      () => appendFile(at('bad', 'slices.jsonl'), 'garbage\n'),
      /slices\.jsonl, line 26: is not JSON/,
    ],
    [
      'a line that is there twice',
      async () => appendFile(at('bad', 'slices.jsonl'), await firstLine()),
      /slices\.jsonl, line 27: repeats the slice r1-01/,
    ],
    [
      'a line that was cut off',
      () => appendFile(at('bad', 'slices.jsonl'), '{"schema":2,"id":"r7'),
      /slices\.jsonl, line 28: is incomplete/,
    ],
  ];
  /** Changes one histogram of a slice, or removes its line. */
  const changeLog = async (
    id: string,
    kind: string,
    change: (encoded: string) => string | null,
  ): Promise<void> => {
    const path = at('bad', 'latency.hlog');
    const lines = (await readFile(path, 'utf8')).split('\n');
    const start = lines.indexOf(`#[Slice: ${id}]`);
    const index = lines.findIndex((line, at) => at > start && line.includes(`/${kind},`));
    const fields = lines[index]!.split(',');
    const encoded = change(fields.pop() ?? '');
    lines.splice(index, 1, ...(encoded === null ? [] : [[...fields, encoded].join(',')]));
    await writeFile(path, lines.join('\n'));
  };
  const firstLine = async (): Promise<string> =>
    `${(await readFile(join(base, 'slices.jsonl'), 'utf8')).split('\n')[0] ?? ''}\n`;

  let json: Comparison;
  beforeAll(async () => {
    await cp(base, at('bad'), { recursive: true });
    for (const [, harm] of damage) await harm();
    json = await compared(base, at('bad'));
  });

  it.each(damage)('%s', (_, __, message) => {
    const { b, cells } = json;
    expect(b.refused.map(describeFinding).join('\n')).toMatch(message);
    expect(cells).toHaveLength(3);
  });

  it('as text', async () => {
    const { status, stdout } = await barewire(['compare', base, at('bad')]);
    const words = stdout.replace(/\s+/g, ' ');
    for (const [, , message] of damage)
      expect(words).toMatch(new RegExp(message.source.replace(/^.*?: (\.\*)?/, '')));
    expect(words).toMatch(/Refused in \S*bad/);
    expect(status).toBe(0);
  });

  it('in the report, its summary and its cells', async () => {
    const { status, stdout } = await barewire(['report', at('bad')]);
    expect(status).toBe(0);
    expect(stdout.replace(/\s+/g, ' ')).toContain('latency.hlog, service of r2-03: is missing');
    const summary = JSON.parse(await readFile(at('bad', 'summary.json'), 'utf8')) as Summary;
    expect(summary.refused).toHaveLength(damage.length);
    const vxlan = summary.networks.find(({ name }) => name === 'flannel-vxlan')!.cells[0]!;
    expect([vxlan.slices, vxlan.invalidSlices]).toEqual([5, 1]);
    expect(vxlan.selfCheck.findings).toContainEqual(
      expect.objectContaining({ files: ['latency.hlog, service of r2-03'] }),
    );
    for (const name of ['report.html', 'report.md'])
      expect((await readFile(at('bad', name), 'utf8')).replaceAll('\\', '')).toContain('service of r2-03');
  });
});

it('writes every format with --out and prints the one of --format', async () => {
  const out = at('formats');
  const { status, stdout } = await barewire([
    ...['compare', base, at('slower'), '--format', 'junit', '--out', out],
  ]);
  expect(status).toBe(1);
  expect(stdout).toMatch(/<failure message="base [^"]*ratio 1\.2\d[^"]*: regression"/);
  expect(stdout).toBe(await readFile(join(out, 'junit.xml'), 'utf8'));
  expect(await readFile(join(out, 'report.html'), 'utf8')).toContain('Barewire compare');
  expect(await readFile(join(out, 'report.md'), 'utf8')).toMatch(/^# Barewire compare/);
  expect((await readFile(join(out, 'summary.csv'), 'utf8')).split('\r\n')[0]).toMatch(/^network,workload/);
  const kept = JSON.parse(await readFile(join(out, 'comparison.json'), 'utf8')) as Comparison;
  expect(kept.regression).toBe(true);
});

it('prints JSON that satisfies the published schema, and nothing else', async () => {
  const published = JSON.parse(readFileSync('schema/comparison.schema.json', 'utf8')) as object;
  const valid = new Ajv2020({ allowUnionTypes: true }).compile(published);
  const { status, stdout, stderr } = await barewire(['compare', '--json', base, at('slower')]);
  expect([valid(JSON.parse(stdout)), valid.errors]).toEqual([true, null]);
  expect([status, stderr]).toEqual([1, '']);
});
