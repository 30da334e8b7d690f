import { describe, expect, test } from 'vitest';
import { buildStudyDocument, render, renderExports } from '../../src/report/index.js';
import type { AblationEffect, Cell, Summary, TunedHost, Verdict } from '../../src/schema/index.js';
import { fixtureSummary } from './fixture.js';

type Named = Verdict['verdict'];

/** A cell with one ratio and verdict for p50, p99 and CPU. */
function cellOf(base: Cell, ratio: number, verdict: Named): Cell {
  const estimate = { value: ratio, low: ratio / 1.1, high: ratio * 1.1 };
  const judged = { verdict, restartsNeeded: null };
  return {
    ...base,
    ratioToReference: { p50: estimate, p99: estimate, max: estimate },
    verdicts: { p50: judged, p99: judged },
    cpuRatioToReference: estimate,
    cpuVerdict: judged,
  };
}

const effect = (
  knob: string,
  kind: AblationEffect['kind'],
  arm: string,
  against: string,
): AblationEffect => ({
  network: 'host',
  knob,
  value: 'on',
  kind,
  arm,
  against,
});

/** Ratios and verdicts of each arm over its reference. */
const ARMS: Readonly<Record<string, readonly [number, Named]>> = {
  'host@all': [0.8, 'better'],
  'host@good': [0.5, 'better'],
  // Without it everything is slower.
  'host@all-good': [2, 'worse'],
  'host@bad': [1.25, 'worse'],
  'host@all-bad': [0.8, 'better'],
  'host@nothing': [1, 'equivalent'],
  'host@same': [1.5, 'worse'],
};

function ablation(hosts: readonly TunedHost[] = []): Summary {
  const summary = fixtureSummary();
  const [network] = summary.networks.filter(({ cells }) => cells.length > 0);
  const [cell] = network?.cells ?? [];
  if (network === undefined || cell === undefined) throw new Error('a fixture without a cell');
  return {
    ...summary,
    networks: Object.entries(ARMS).map(([name, [ratio, verdict]]) => ({
      ...network,
      name,
      cells: [cellOf(cell, ratio, verdict)],
    })),
    tuning: {
      profile: 'own',
      hosts: [...hosts],
      ablation: {
        effects: [
          effect('all', 'all', 'host@all', 'host@none'),
          effect('good', 'alone', 'host@good', 'host@none'),
          effect('good', 'left-out', 'host@all-good', 'host@all'),
          effect('bad', 'alone', 'host@bad', 'host@none'),
          effect('bad', 'left-out', 'host@all-bad', 'host@all'),
          effect('nothing', 'alone', 'host@nothing', 'host@none'),
          effect('same', 'alone', 'host@same', 'host@none'),
        ],
        omitted: [{ knob: 'thp', finding: { code: 'machine-shared' } }],
      },
    },
  };
}

const setting = (before: string) => ({
  what: '/proc/sys/net/x',
  wanted: '1',
  before,
  found: '1',
  holds: true,
  why: 'same',
  changers: [],
});
const host = (before: string): TunedHost => ({
  network: 'host@same',
  role: 'server',
  settings: [setting(before)],
  notApplicable: [],
  ofMachine: [],
});

const page = (summary: Summary): string => render(buildStudyDocument(summary), 'markdown');
const rowsOf = (text: string, knob: string): string[] =>
  text.split('\n').filter((line) => line.startsWith(`| host: ${knob} on`));

describe('the report of an ablation', () => {
  test('keeps what is better and nowhere worse, and leaves out what is worse', () => {
    const text = page(ablation());
    expect(text).toMatch(/keep: better somewhere and nowhere worse: all together \(host\), good on \(host\)/);
    expect(text).toMatch(/leave out: worse somewhere and nowhere better: bad on \(host\), same on \(host\)/);
    expect(text).toMatch(/no effect that matters: nothing on \(host\)/);
    expect(text).toContain('thp is not compared: It belongs to the machine');
  });

  test('shows both rows of a knob with the knob over without it', () => {
    const [alone = '', leftOut = ''] = rowsOf(page(ablation()), 'good');
    expect(alone).toContain('0.500');
    expect(leftOut).toContain('0.500 (0.455–0.550) ▼');
    const [, badLeftOut = ''] = rowsOf(page(ablation()), 'bad');
    expect(badLeftOut).toContain('1.25 (1.14–1.38) ▲');
  });

  test('shows the maximum with the knob over without it, of which more is better', () => {
    const summary = ablation();
    const { tuning } = summary;
    if (tuning === undefined) throw new Error('no ablation');
    const [network] = summary.networks;
    const workload = network?.cells[0]?.workload ?? '';
    const maximum = (arm: string, value: number, verdict: Named) => ({
      arm,
      workload,
      ratio: { value, low: value / 1.1, high: value * 1.1 },
      verdict: { verdict, restartsNeeded: null },
    });
    const maxima = [maximum('host@good', 1.5, 'better'), maximum('host@nothing', 0.5, 'worse')];
    const text = page({ ...summary, tuning: { ...tuning, maxima } });
    expect(text).toMatch(/\| CPU \| maximum rate \|/);
    expect(rowsOf(text, 'good')[0]).toContain('1.50 (1.36–1.65) ▲ |');
    expect(rowsOf(text, 'nothing')[0]).toContain('0.500 (0.455–0.550) ▼ |');
    expect(text).toMatch(/leave out: worse somewhere and nowhere better: .*nothing on \(host\)/);
    expect(page(summary)).not.toContain('maximum rate');
  });

  test('prints the profile of what to keep', () => {
    expect(render(buildStudyDocument(ablation()), 'terminal').replace(/\s+/g, ' ')).toContain(
      'keep-host.yaml, beside this report, has what to keep for host: good on.',
    );
    const [kept] = renderExports(ablation(), []).filter(({ name }) => name === 'keep-host.yaml');
    expect(kept?.content).toMatch(/^# .*\nextends: none\nknobs:\n {2}good: on\n$/);
  });

  test('ranks the values of a knob, and keeps the best of those that help', () => {
    const { networks, ...summary } = ablation();
    const { tuning } = summary;
    if (tuning?.ablation === undefined) throw new Error('no ablation');
    const [network] = networks;
    const [cell] = network?.cells ?? [];
    if (network === undefined || cell === undefined) throw new Error('a fixture without a cell');
    const values = [
      ['0', 0.9, 'better'],
      ['1', 0.6, 'better'],
      ['0-1', 1.2, 'worse'],
    ] as const;
    const ranked: Summary = {
      ...summary,
      networks: values.map(([value, ratio, verdict]) => ({
        ...network,
        name: `host@rps.${value}`,
        cells: [cellOf(cell, ratio, verdict)],
      })),
      tuning: {
        ...tuning,
        ablation: {
          effects: values.map(([value]) => ({
            ...effect('rps', 'alone', `host@rps.${value}`, 'host@none'),
            value,
          })),
          omitted: [],
        },
      },
    };
    expect(page(ranked)).toContain(
      'Values of rps on host, by the p50 of each alone: 1 (0.600), 0 (0.900), 0-1 (1.20).',
    );
    const [kept] = renderExports(ranked, []).filter(({ name }) => name === 'keep-host.yaml');
    expect(kept?.content).toContain('knobs:\n  rps: 1\n');
  });

  test('draws no conclusion from a knob that the hosts had already', () => {
    const text = page(ablation([host('1')]));
    expect(text).toMatch(/leave out: worse somewhere and nowhere better: bad on \(host\)\s*$/m);
    expect(text).toContain('same on (host): the hosts had these settings before');
    expect(page(ablation([host('0')]))).not.toContain('the hosts had these settings before');
  });

  test('has no decision about networks', () => {
    expect(page(ablation())).not.toContain('In short');
  });
});

test('a setting that did not hold is shown with its values and what may have changed it', () => {
  const lost: TunedHost = {
    ...host('0'),
    settings: [{ ...setting('0'), found: '7', holds: false, changers: ['irqbalance'] }],
  };
  const text = page(ablation([lost]));
  expect(text).toMatch(
    /\/proc\/sys\/net\/x \| host@same \| server \| +1 \| +0 \| +7 \| irqbalance, which runs/,
  );
});
