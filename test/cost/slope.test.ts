import fc from 'fast-check';
import { expect, test } from 'vitest';
import { readLoadRun, summarizeRepeats, slopes } from '../../src/cost/slope.js';

const measured = (finished: string, requests: string): string =>
  `starting benchmark...\nspawning thread #0: 1 total client(s). 200 total requests\n\n${finished}\n${requests}\nstatus codes: 200 2xx\n`;

test("a run's instructions come from the rate, which h2load prints in more digits than the time", () => {
  const run = readLoadRun(
    measured(
      'finished in 73.08ms, 16421.48 req/s, 5.07MB/s',
      'requests: 1200 total, 1200 started, 1200 done, 1200 succeeded, 0 failed, 0 errored, 0 timeout',
    ),
  );
  expect(run.requests).toBe(1200);
  expect(run.instructions).toBeCloseTo(73_074_996, -2);
});

test.each([
  measured(
    'finished in 1.00s, 100.00 req/s, 5MB/s',
    'requests: 100 total, 100 started, 99 done, 99 succeeded, 1 failed',
  ),
  measured(
    'finished in 0us, 0.00 req/s, 0B/s',
    'requests: 10 total, 10 started, 0 done, 0 succeeded, 10 failed',
  ),
  'nsenter: cannot open /run/netns/x',
])('a run with a request that failed is no figure', (output) => {
  expect(() => readLoadRun(output)).toThrow(expect.objectContaining({ code: 'load-failed' }));
});

test('the fixed cost of a run cancels out', () => {
  const once = fc.integer({ min: 0, max: 1e8 });
  const each = fc.integer({ min: 1, max: 1e6 });
  fc.assert(
    fc.property(once, each, (start, request) => {
      const run = (requests: number) => ({ requests, instructions: start + requests * request });
      const found = slopes([run(300), run(300), run(300)], [run(4_000), run(4_000)]);
      for (const slope of found) expect(slope).toBeCloseTo(request, 6);
    }),
  );
});

test('one disturbed short run changes no repeat', () => {
  const run = (requests: number, extra = 0) => ({ requests, instructions: requests * 100 + extra });
  expect(slopes([run(10, 5_000), run(10), run(10)], [run(110)])).toEqual([100]);
});

test('repeats are summarised by the median and the greatest distance from it', () => {
  expect(summarizeRepeats([100, 102, 101])).toEqual({
    value: 101,
    spread: expect.closeTo(1 / 101) as number,
  });
  expect(summarizeRepeats([100, 104])).toEqual({ value: 102, spread: expect.closeTo(2 / 102) as number });
  expect(summarizeRepeats([7])).toEqual({ value: 7, spread: 0 });
});
