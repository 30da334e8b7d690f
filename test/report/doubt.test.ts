import { describe, expect, test } from 'vitest';
import { situations } from '../../src/report/cells.js';
import { doubts, remedies } from '../../src/report/doubt.js';
import { htmlReport, terminalReport } from '../../src/report/index.js';
import { cellNotes } from '../../src/report/study-wording.js';
import type { Cell, Estimate, Summary } from '../../src/schema/index.js';
import { fixtureSummary } from './fixture.js';

/** The fixture with other cells of one network, or of all. */
function changed(change: (cell: Cell) => Partial<Cell>, name?: string, restarts = 6): Summary {
  const summary = fixtureSummary({ restarts });
  const networks = summary.networks.map((network) =>
    name === undefined || network.name === name
      ? { ...network, cells: network.cells.map((cell) => ({ ...cell, ...change(cell) })) }
      : network,
  );
  return { ...summary, networks };
}
const undecided = (restartsNeeded: number) => (): Partial<Cell> => ({
  verdicts: { p99: { verdict: 'undecided', restartsNeeded } },
});
const p99 = (figure: Estimate) => (cell: Cell) => ({ latencyMs: { ...cell.latencyMs, p99: figure } });
const firstDoubts = (summary: Summary) => doubts(situations(summary)[0]!, summary).join('\n');

describe('an interval', () => {
  test('with one end shows that end, and says why the other is missing', () => {
    const summary = changed(p99({ value: 0.4, low: 0.32, high: null }), 'macvlan');
    expect(firstDoubts(summary)).toContain('p99 (macvlan ≥0.320): too few samples lie beyond');
    expect(firstDoubts(summary)).not.toContain('more than one restart');
    expect(htmlReport(summary)).toContain('0.400<small>≥0.320</small>');
  });

  test('that is missing in a study of many restarts names the figure, and the single restart that it has', () => {
    const summary = changed(p99({ value: 0.4, low: null, high: null }), 'macvlan');
    expect(firstDoubts(summary)).toContain(
      'Without an interval: p99 (macvlan): a single restart has a valid slice',
    );
  });
});

describe('a verdict that stays undecided', () => {
  test('says how many restarts it needs', () => {
    expect(firstDoubts(changed(undecided(14), 'ipvlan'))).toContain('Undecided: ipvlan (needs 14 restarts)');
  });

  test('names no number that nobody can act on, but what would help', () => {
    const summary = changed(undecided(3580), 'ipvlan');
    const page = htmlReport(summary);
    expect(firstDoubts(summary)).toContain('Undecided: ipvlan (needs over 100 restarts)');
    expect(remedies(summary).join()).toMatch(
      /more restarts than is practical \(over 100\).*--duration.*quieter machine/,
    );
    for (const text of [page, terminalReport(summary, { colour: false, width: 100 })])
      expect(text).not.toMatch(/3,?580/);
  });

  test('says of few restarts that they are too few, instead of a number that they cannot know', () => {
    const summary = changed(undecided(3580), 'ipvlan', 3);
    expect(firstDoubts(summary)).toContain('ipvlan (too few restarts to tell)');
    expect(remedies(summary)).toEqual([
      expect.stringMatching(/^3 restarts are few: .* 4\.3 standard errors.*--restarts 6/),
    ]);
  });

  test('needs no remedy where all is decided', () => {
    const decided = changed(
      () => ({ verdicts: { p99: { verdict: 'worse', restartsNeeded: null } } }),
      undefined,
      3,
    );
    expect(remedies(decided)).toEqual([]);
  });
});

describe('remarks on cells', () => {
  const notes = (summary: Summary) => cellNotes(situations(summary)[0]!);
  const stalls = (times: number, ms: string) => ({
    tail: [`the generator stood still ${times} times, up to ${ms} ms: enough to decide p99.9 and above`],
  });

  test('that differ in their figures are told once, with the least and the greatest', () => {
    let times = 100;
    const summary = changed(() => stalls((times += 20), '5.5'));
    expect(notes(summary)).toEqual([
      'all networks: tail: the generator stood still 120–600 times, up to 5.5 ms: enough to decide p99.9 and above',
    ]);
  });

  test('name the networks that they are about, and keep what differs in words apart', () => {
    const summary = changed((cell) => ({ ...stalls(9, '1.0'), invalidSlices: cell.slices }), 'macvlan');
    expect(notes(summary)).toEqual([
      'macvlan: not valid, and not averaged in: 6 of 12 slices',
      'macvlan: tail: the generator stood still 9 times, up to 1.0 ms: enough to decide p99.9 and above',
    ]);
  });
});

describe('the margin', () => {
  const summary: Summary = { ...fixtureSummary(), margin: 0.08 };

  test('is named in the legends, and drawn around 1', () => {
    const page = htmlReport(summary);
    expect(page).toContain('= equivalent (the interval lies within 8 %)');
    expect(page).toContain('Band: within 8 %.');
    expect(page).toContain('by more than 8 % beyond chance');
    expect(page).not.toContain('the margin of the study');
  });

  test('makes the band as wide as it is', () => {
    const widths = [0.02, 0.2].map((margin) => {
      const page = htmlReport({ ...summary, margin });
      const plot = page.slice(page.indexOf('<svg', page.indexOf('<figcaption>p99 against host')));
      return Number(/<path d="M[\d.]+ 8l([\d.]+) 0[^>]*fill-opacity="0.7"/.exec(plot)?.[1]);
    });
    expect(widths[0]).toBeGreaterThan(0);
    expect(widths[1]! / widths[0]!).toBeGreaterThan(4);
  });
});

test('CPU against the reference is shown with its interval', () => {
  const summary = fixtureSummary();
  expect(terminalReport(summary, { colour: false, width: 100 })).toMatch(/against reference/);
  expect(htmlReport(summary)).toMatch(/server [\d.]+; ×1\.\d+ \([\d.]+–[\d.]+\)/);
});
