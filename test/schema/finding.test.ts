import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { describeFinding } from '../../src/report/index.js';
import { findingSchema, groupFindings, type Finding } from '../../src/schema/index.js';
import { anyFinding, findingsByCode } from './any-finding.js';

describe.each([...findingsByCode])('the finding %s', (_, arbitrary) => {
  test('is worded for any parameters', () => {
    fc.assert(
      fc.property(arbitrary, (finding) => {
        const text = describeFinding(findingSchema.parse(finding));
        expect(text.length).toBeGreaterThan(3);
        expect(text).not.toMatch(/undefined|NaN|\[object| {2}/);
      }),
      { numRuns: 30 },
    );
  });

  test('reads the same alone and in a group of one', () => {
    fc.assert(
      fc.property(arbitrary, (finding) => {
        const [group, ...others] = groupFindings([finding]);
        expect(others).toEqual([]);
        expect(group && describeFinding(group)).toBe(describeFinding(finding));
      }),
      { numRuns: 10 },
    );
  });
});

describe('grouping', () => {
  test('keeps every finding, orders by the first of each group, and bounds every number', () => {
    fc.assert(
      fc.property(fc.array(anyFinding, { maxLength: 12 }), (findings) => {
        const groups = groupFindings(findings);
        expect(groups.reduce((sum, { count }) => sum + count, 0)).toBe(findings.length);
        expect(groups[0]?.low.code).toBe(findings[0]?.code);
        for (const { low, high } of groups)
          for (const [name, value] of Object.entries(low))
            if (typeof value === 'number')
              expect(value).toBeLessThanOrEqual(high[name as keyof Finding] as unknown as number);
      }),
    );
  });

  test('prints numbers that differ as a range', () => {
    const stall = (count: number): Finding => ({
      code: 'generator-stalled',
      count,
      maxMs: 4,
      runDelayMs: 9,
      share: 0.06,
      limitShare: 0.05,
    });
    expect(groupFindings([stall(30), stall(12)]).map(describeFinding)).toEqual([
      'the generator stalled 12–30 times, up to 4.00 ms (other tasks ran on its CPU for 9 ms); 6 % of the response times are ' +
        'mostly a stall (limit 5 %)',
    ]);
  });

  test('lists the first files of a group and counts the others', () => {
    const missing = Array.from({ length: 5 }, (_, index): Finding => ({
      code: 'file-missing',
      file: `f${index}`,
    }));
    expect(groupFindings(missing).map(describeFinding)).toEqual([
      'f0, f1, f2 and 2 more: is missing or cannot be read',
    ]);
  });

  test('keeps findings with different words apart', () => {
    const unopened = (errno: string): Finding => ({
      code: 'connections-unopened',
      errno,
      failed: 1,
      intended: 2,
      limitShare: 0.001,
    });
    expect(groupFindings([unopened('EMFILE'), unopened('ECONNREFUSED')])).toHaveLength(2);
  });
});
