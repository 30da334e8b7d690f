import { describe, expect, test } from 'vitest';
import { Gaps } from '../../src/report/gaps.js';
import { inShort } from '../../src/report/study-wording.js';
import { fixtureSummary } from './fixture.js';

const none = (why: string) => ({ value: null, why });

describe('notes on missing figures', () => {
  test('tell a reason once for all quantiles and networks', () => {
    const gaps = new Gaps();
    const notes = ['p50', 'p99'].flatMap((key) =>
      ['a', 'b'].map((network) => gaps.note(none('no valid slice'), key, network)),
    );
    expect([notes, gaps.texts]).toEqual([[1, 1, 1, 1], ['p50, p99: no valid slice (a, b)']]);
  });

  test('put reasons that differ in a count together', () => {
    const gaps = new Gaps();
    gaps.note(none('needs 36887 samples, has 20994'), 'p99.99', 'a');
    gaps.note(none('needs 36887 samples, has 20999'), 'p99.99', 'b');
    gaps.note(none('needs 368887 samples, has 20994'), 'p99.999', 'a');
    expect(gaps.texts).toEqual([
      'p99.99: needs 36887 samples, has 20994 (a), 20999 (b)',
      'p99.999: needs 368887 samples, has 20994 (a)',
    ]);
  });

  test('never claim a reason for a figure that has another', () => {
    const gaps = new Gaps();
    gaps.note(none('has 1'), 'p99', 'a');
    gaps.note(none('has 2'), 'p99', 'b');
    gaps.note(none('has 1'), 'max', 'a');
    expect(gaps.texts).toEqual(['p99: has 1 (a), 2 (b)', 'max: has 1 (a)']);
  });

  test('do not count a figure that is there', () => {
    const gaps = new Gaps();
    expect([gaps.note({ value: 0, low: null, high: null }, 'p50', 'a'), gaps.texts]).toEqual([0, []]);
  });
});

describe('the study in short', () => {
  test('groups networks by what was decided, best first', () => {
    expect(inShort(fixtureSummary()).map(({ text }) => text)).toEqual([
      'p99 equivalent to host: macvlan (in 4 of 6; 1.00× to 1.05×), ipvlan (in 5 of 6; 1.03× to 1.05×)',
      'p99 worse than host: flannel-host-gw (in 6 of 6; 1.23× to 1.28×), flannel-vxlan (in 5 of 5; 1.43× to 1.49×)',
    ]);
  });

  test('names no winner where nothing was decided', () => {
    expect(inShort(fixtureSummary({ restarts: 1 })).map(({ verdict }) => verdict)).toEqual(['undecided']);
  });
});
