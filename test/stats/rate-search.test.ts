import fc from 'fast-check';
import { expect, test } from 'vitest';
import { nextRate, type RateSearch, type RateAttempt } from '../../src/stats/index.js';
import { normal, seeded } from './synthetic.js';

const none = (lowestRps: number) => ({ code: 'no-rate-sustained', objective: null, lowestRps });

type Server = (offeredRps: number) => Partial<RateAttempt>;

/** Runs a search against a server to its end. */
function search(server: Server, options: RateSearch) {
  const history: RateAttempt[] = [];
  for (;;) {
    const step = nextRate(history, options);
    if (step.kind !== 'try') return { step, slices: history.length };
    const offeredRps = step.rateRps;
    history.push({ offeredRps, achievedRps: offeredRps, latencyMs: 1, valid: true, ...server(offeredRps) });
  }
}

/** Answers all it is offered up to a capacity that is another one in each slice, and its capacity beyond. */
const withCapacity = (capacityRps: number, spread: number, random: () => number): Server => {
  return (offeredRps) => ({
    achievedRps: Math.min(offeredRps, capacityRps * Math.exp(spread * normal(random))),
  });
};

test.each([
  { spread: 0.003, guess: 1, most: 6 },
  { spread: 0.01, guess: 1.3, most: 6 },
  { spread: 0.03, guess: 0.7, most: 11 },
  { spread: 0.01, guess: 3, most: 9 },
])(
  'finds a capacity that differs by $spread from slice to slice, from a guess of $guess times it, in $most slices',
  ({ spread, guess, most }) => {
    const random = seeded(31);
    const [repeats, capacity] = [100, 50_000];
    let [covered, slices] = [0, 0];
    for (let i = 0; i < repeats; i++) {
      const found = search(withCapacity(capacity, spread, random), { closedLoopRps: capacity * guess });
      if (found.step.kind !== 'found') throw new Error(found.step.kind);
      const { low, value, high } = found.step.max;
      expect(Math.abs(Math.log(value / (capacity / 0.99)))).toBeLessThan(4 * spread + 0.01);
      if (low <= capacity / 0.99 && capacity / 0.99 <= high!) covered++;
      slices += found.slices;
    }
    expect(covered / repeats).toBeGreaterThanOrEqual(0.88);
    expect(slices / repeats).toBeLessThanOrEqual(most);
  },
);

test('finds the sustained rate of a server that collapses under overload', () => {
  const server: Server = (offeredRps) => ({ achievedRps: offeredRps <= 30_000 ? offeredRps : 12_000 });
  const { step } = search(server, { closedLoopRps: 40_000 });
  expect(step.kind === 'found' && step.max.low <= 30_000 && 30_000 <= step.max.high!).toBe(true);
  expect(step.kind === 'found' && Math.abs(step.max.value / 30_000 - 1)).toBeLessThan(0.1);
});

test('with a latency limit the maximum is the rate at which the latency reaches the limit', () => {
  const random = seeded(32);
  const server: Server = (offeredRps) => ({
    latencyMs: (0.2 / (1 - Math.min(0.999, offeredRps / 50_000))) * Math.exp(0.05 * normal(random)),
  });
  const { step, slices } = search(server, { closedLoopRps: 50_000, latencyLimitMs: 1 });
  if (step.kind !== 'found') throw new Error(step.kind);
  expect(Math.abs(step.max.value / 40_000 - 1)).toBeLessThan(0.03);
  expect(step.max.low).toBeLessThanOrEqual(40_000);
  expect(step.max.high).toBeGreaterThanOrEqual(40_000);
  expect(slices).toBeLessThanOrEqual(16);
});

test('a latency limit far below saturation is found although the first slices are overloaded', () => {
  const random = seeded(36);
  const server: Server = (offeredRps) => ({
    achievedRps: Math.min(offeredRps, 50_000 * Math.exp(0.01 * normal(random))),
    latencyMs: 0.2 / (1 - Math.min(0.999, offeredRps / 50_000)),
  });
  const { step } = search(server, { closedLoopRps: 80_000, latencyLimitMs: 0.4 });
  expect(step.kind === 'found' && Math.abs(step.max.value / 25_000 - 1)).toBeLessThan(0.04);
});

test('when no rate is sustained the search ends soon and reports the lowest rate tried', () => {
  const { step, slices } = search(() => ({ latencyMs: null }), {
    closedLoopRps: 50_000,
    latencyLimitMs: 1,
  });
  expect(step).toEqual({ kind: 'none', finding: none(2500) });
  expect(slices).toBeLessThanOrEqual(6);
});

test('no rate below the minimum is tried', () => {
  const { step } = search(() => ({ latencyMs: 9 }), {
    closedLoopRps: 50_000,
    latencyLimitMs: 1,
    minRps: 20_000,
  });
  expect(step).toEqual({ kind: 'none', finding: none(20_000) });
});

test('a sustained rate far below the closed-loop maximum is found although the first slices fail', () => {
  const { step } = search((rate) => ({ latencyMs: rate > 4_000 ? 9 : 0.5 }), {
    closedLoopRps: 50_000,
    latencyLimitMs: 1,
  });
  if (step.kind !== 'found') throw new Error(step.kind);
  expect(step.max.low).toBeLessThanOrEqual(4_000);
  expect(step.max.high).toBeGreaterThanOrEqual(4_000);
});

test('a maximum that the generator limits has no upper bound', () => {
  const server: Server = (offeredRps) => ({ valid: offeredRps <= 60_000 });
  const { step, slices } = search(server, { closedLoopRps: 80_000 });
  if (step.kind !== 'found') throw new Error(step.kind);
  expect(step.max.high).toBeNull();
  expect(step.max.value).toBeGreaterThan(50_000);
  expect(step.max.value).toBeLessThanOrEqual(60_000);
  expect(slices).toBeLessThanOrEqual(16);
});

test('a generator whose self-check always fails ends the search with a finding', () => {
  const { step } = search(() => ({ valid: false }), { closedLoopRps: 50_000 });
  expect(step).toEqual({ kind: 'none', finding: { code: 'search-slices-invalid', slices: 16 } });
});

test('a self-check that fails at low rates does not stop the search', () => {
  const server: Server = (rate) => ({ valid: rate > 20_000, latencyMs: rate > 40_000 ? 9 : 0.5 });
  const { step } = search(server, { closedLoopRps: 100_000, latencyLimitMs: 1 });
  expect(step.kind === 'found' && Math.abs(step.max.value / 40_000 - 1)).toBeLessThan(0.15);
});

test('slices that fail by chance do not move the maximum', () => {
  const random = seeded(34);
  const server = withCapacity(50_000, 0.01, random);
  for (let i = 0; i < 50; i++) {
    const spoiled: Server = (rate) => ({ ...server(rate), valid: random() > 0.3 });
    const { step } = search(spoiled, { closedLoopRps: 60_000 });
    if (step.kind !== 'found') throw new Error(step.kind);
    expect(Math.abs(step.max.value / 50_500 - 1)).toBeLessThan(0.15);
  }
});

test('slices of the cells save search slices', () => {
  const server = withCapacity(50_000, 0.003, seeded(35));
  const known = [10_000, 30_000, 50_000, 60_000].map((offeredRps): RateAttempt => ({
    offeredRps,
    achievedRps: Math.min(offeredRps, 50_000),
    latencyMs: 1,
    valid: true,
  }));
  const { step, slices } = search(server, { closedLoopRps: 150_000, known });
  expect(slices).toBe(5);
  expect(step.kind === 'found' && Math.abs(step.max.value / 50_500 - 1)).toBeLessThan(0.02);
});

test('a server that does not respond ends the search', () => {
  expect(search(() => ({ achievedRps: 0 }), { closedLoopRps: 1000 }).step.kind).toBe('none');
});

test('one random failure far below the maximum does not decide it', () => {
  const random = seeded(33);
  const server = withCapacity(50_000, 0.01, random);
  let calls = 0;
  const { step } = search((rate) => (++calls === 2 ? { achievedRps: rate * 0.4 } : server(rate)), {
    closedLoopRps: 50_000,
  });
  expect(step.kind === 'found' && Math.abs(step.max.value / 50_500 - 1)).toBeLessThan(0.05);
});

test('the next rate depends on the slices, not on their order', () => {
  const slice = fc.record({
    offeredRps: fc.integer({ min: 10_000, max: 90_000 }),
    achievedRps: fc.integer({ min: 0, max: 90_000 }),
    latencyMs: fc.constant(1),
    valid: fc.boolean(),
  });
  fc.assert(
    fc.property(fc.array(slice, { maxLength: 8 }), (history) => {
      const options = { closedLoopRps: 50_000 };
      expect(nextRate(history.toReversed(), options)).toEqual(nextRate(history, options));
    }),
    { numRuns: 30 },
  );
});
