import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { describeFinding } from '../../src/report/index.js';
import { summarySchema, type Cell, type Estimate, type Summary } from '../../src/schema/index.js';
import { anySummary } from './arbitrary.js';
import { FAILED, fixtureSummary, UNSUPPORTED } from './fixture.js';
import { pageText } from './page-text.js';
import { renderStudy } from './rendered.js';

/** Each report as the words that a reader sees, on one line. */
const REPORTS: Record<string, (summary: Summary) => string> = {
  terminal: (summary) => renderStudy(summary, 'terminal').replace(/\s+/g, ' '),
  Markdown: (summary) => renderStudy(summary, 'markdown').replace(/\\(.)/g, '$1'),
  CSV: (summary) => renderStudy(summary, 'csv').replaceAll('""', '"'),
  HTML: (summary) => pageText(renderStudy(summary, 'html')).replace(/\s+/g, ' '),
};
const summary = fixtureSummary();

/** The fixture with changed cells of one network, or of all. */
function changeCells(change: (cell: Cell) => Partial<Cell>, name?: string, restarts = 6): Summary {
  const base = fixtureSummary({ restarts });
  const networks = base.networks.map((network) =>
    name === undefined || network.name === name
      ? { ...network, cells: network.cells.map((cell) => ({ ...cell, ...change(cell) })) }
      : network,
  );
  return { ...base, networks };
}

describe('a caveat of a network', () => {
  const caveat = { code: 'limitation', limitation: 'vpc-namespace' } as const;
  const networks = summary.networks.map((network) =>
    network.name === 'macvlan' || network.status !== 'measured' ? { ...network, caveat } : network,
  );
  const sentence = `macvlan: ${describeFinding(caveat)}`;

  test.each(['terminal', 'Markdown', 'HTML'])(
    'is in the %s report below each table of its figures',
    (kind) => {
      const text = REPORTS[kind]?.({ ...summary, networks, article: 'scaled' }) ?? '';
      const rates = new Set(
        summary.networks.flatMap(({ cells }) =>
          cells.map(({ rateRps, workload }) => `${workload} ${rateRps}`),
        ),
      );
      // Beside those of the rates: the decision, the table over all rates, and the list of what the study does not show.
      expect(text.split(sentence).length - 1).toBe(rates.size + 3);
      expect(text).not.toContain(`flannel-aws-vpc: ${describeFinding(caveat)}`);
    },
  );
});

test('the fixture satisfies the schema of a summary', () => {
  expect(summarySchema.parse(summary)).toEqual(summary);
});

describe.each(Object.entries(REPORTS))('the %s report', (kind, report) => {
  const text = report(summary);

  test('names every network, measured or not', () => {
    for (const { name } of summary.networks) expect(text).toContain(name);
  });

  test('explains why a network was not measured', () => {
    expect(text).toContain(describeFinding(UNSUPPORTED));
    expect(text).toContain(describeFinding(FAILED));
  });

  test('explains missing estimates', () => {
    expect(text).toContain('needs 368,887 samples, has ');
    expect(text).toContain('no valid slice');
  });

  test('shows self-check findings and the cause of a tail', () => {
    expect(text).toContain('a generator thread used 98 % of a CPU (limit 97 %)');
    expect(text).toContain('20 retransmitted, 14 timed out');
  });

  test('is the same for the same summary', () => {
    expect(report(summary)).toBe(text);
  });

  test('renders any summary without a value that is no value', () => {
    fc.assert(
      fc.property(anySummary, (any) => {
        expect(report(any)).not.toMatch(/undefined|NaN|Infinity|\[object/);
      }),
      { numRuns: kind === 'HTML' ? 60 : 200 },
    );
  });
});

describe.each(Object.entries(REPORTS).filter(([kind]) => kind !== 'CSV'))(
  'the %s report for people',
  (_, report) => {
    const text = report(summary);

    test('shows warnings before the answer, and the limitations of the testbed', () => {
      for (const warning of summary.warnings) {
        expect(text).toContain(describeFinding(warning));
        expect(text.indexOf(describeFinding(warning))).toBeLessThan(text.indexOf('In short'));
      }
      for (const limit of summary.limitations) expect(text).toContain(describeFinding(limit));
    });

    test('groups networks by their verdict, best first', () => {
      const equivalent =
        'p99 equivalent to host: macvlan (in 4 of 6; 1.00× to 1.05×), ipvlan (in 5 of 6; 1.03× to 1.05×)';
      const worse =
        'p99 worse than host: flannel-host-gw (in 6 of 6; 1.23× to 1.28×), flannel-vxlan (in 5 of 5; 1.43× to 1.49×)';
      expect(text).toContain(equivalent);
      expect(text.indexOf(worse)).toBeGreaterThan(text.indexOf(equivalent));
    });

    test('names no network as better where nothing was decided', () => {
      const single = report(fixtureSummary({ restarts: 1 }));
      expect(single).toContain('p99 undecided everywhere');
      expect(single).not.toMatch(/p99 (better|worse) than/);
    });

    test('states that a single restart gives no intervals', () => {
      const words = 'No intervals: they need more than one round.';
      expect(report(fixtureSummary({ restarts: 1 }))).toContain(words);
      expect(text).not.toContain(words);
    });

    test('shows the known end of an open interval and why the other is unknown', () => {
      const p99: Estimate = { value: 0.4, low: 0.32, high: null };
      const open = report(changeCells((cell) => ({ pooledMs: { ...cell.pooledMs, p99 } }), 'macvlan'));
      expect(open).toMatch(
        /One end of the interval is unknown, because too few samples lie beyond it: [^.]*p99 \(macvlan ≥0\.320/,
      );
    });

    test('names an estimate whose interval is missing', () => {
      const p99: Estimate = { value: 0.4, low: null, high: null };
      const bare = report(changeCells((cell) => ({ pooledMs: { ...cell.pooledMs, p99 } }), 'macvlan'));
      expect(bare).toContain('No interval, because one round has a valid slice: p99 (macvlan).');
    });

    test('gives the time that an undecided comparison needs', () => {
      const undecided = (restartsNeeded: number) => (): Partial<Cell> => ({
        verdicts: { p99: { verdict: 'undecided', restartsNeeded, minutesNeeded: 2 * restartsNeeded } },
      });
      expect(report(changeCells(undecided(14), 'ipvlan'))).toContain(
        'Undecided: ipvlan (needs about 28 more minutes)',
      );
      const many = report(changeCells(undecided(3580), 'ipvlan'));
      expect(many).toContain('ipvlan (needs over 100 restarts)');
      expect(many).toContain('over 100 restarts would be needed, a quieter machine helps more');
      expect(many).not.toMatch(/needs 3,?580/);
      const few = report(changeCells(undecided(3580), 'ipvlan', 3));
      expect(few).toContain('ipvlan (too few restarts to estimate)');
    });

    test('prints findings that differ in numbers once, with their range', () => {
      let count = 100;
      const stalls = changeCells(() => ({
        tail: [
          {
            code: 'tail-generator-stalls',
            count: (count += 20),
            maxMs: 5.5,
            share: 0.002,
            from: 'p99.9 and above',
          },
        ],
      }));
      expect(report(stalls)).toContain(
        'all networks: tail: the generator stalled 120–600 times, up to 5.50 ms, during 0.2 % of the requests: enough to determine p99.9',
      );
    });

    test('counts invalid slices per network', () => {
      const invalid = changeCells((cell) => ({ invalidSlices: cell.slices }), 'macvlan');
      expect(report(invalid)).toContain('macvlan: 6 of 12 slices invalid');
    });

    test('names the margin in its legends', () => {
      const text8 = report({ ...summary, margin: 0.08, tailMargin: 0.3 });
      expect(text8).toContain('= equivalent (the interval lies within 30 %, of the p50 within 8 %)');
      expect(text8).toContain('by more than chance and the margin (8 %, of the p99');
    });

    test('shows CPU per request against the reference with its interval', () => {
      expect(text).toMatch(/CPU, µs per request/);
      expect(text).toMatch(/1\.\d\d \(1\.\d\d–1\.\d\d\)/);
    });
  },
);
