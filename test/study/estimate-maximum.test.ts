import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import {
  FIRST_RATE_RPS,
  MOST_READINGS,
  raiseRate,
  predictMaximum,
  type RateReading,
} from '../../src/study/estimate-maximum.js';

const IDLE: RateReading = {
  rateRps: 1_000,
  busyShares: [0.01, 0.01],
  threadShares: [0.01, 0.01],
  linkShare: 0,
};

describe('the predicted maximum', () => {
  it.each<[string, Partial<RateReading>, number]>([
    ['the CPUs of the server', { busyShares: [0.02, 0.1] }, 10_000],
    ['the CPUs of the client', { busyShares: [0.2, 0.1] }, 5_000],
    ['a thread of the generator', { threadShares: [0.25, 0.1] }, 4_000],
    ['a worker of the server', { threadShares: [0.1, 0.4] }, 2_500],
    ['the link', { linkShare: 0.5 }, 2_000],
    ['a bound where nothing is in use', { busyShares: [0, 0], threadShares: [0, 0] }, 10_000_000],
    [
      'a bound where less is in use than before the load',
      { busyShares: [-0.1, -0.2], threadShares: [0, 0] },
      10_000_000,
    ],
  ])('is that of %s', (_, reading, rateRps) => {
    expect(predictMaximum({ ...IDLE, ...reading })).toBe(rateRps);
  });
});

describe('the next rate', () => {
  it.each<[string, Partial<RateReading>, number | null]>([
    ['five times as high while little is in use', { busyShares: [0.01, 0.01] }, 5_000],
    ['30 % of the prediction where that is less', { busyShares: [0.1, 0.1] }, 3_000],
    ['none from a fifth of the prediction on', { busyShares: [0.2, 0.1] }, null],
    ['none where half of a thread is in use', { threadShares: [0.5, 0.1] }, null],
    ['none where half of the link is in use', { linkShare: 0.6 }, null],
  ])('is %s', (_, reading, rateRps) => {
    expect(raiseRate({ ...IDLE, ...reading })).toBe(rateRps);
  });
});

/** What each request takes of every resource, and by how much a reading of it is off. */
interface Host {
  readonly maxima: readonly number[];
  readonly noise: readonly number[];
}

/** The rates of the windows on a host whose resources are used in proportion, and the estimate. */
function estimate({ maxima, noise }: Host): { readonly rates: number[]; readonly maximum: number } {
  const rates: number[] = [];
  for (let rateRps = FIRST_RATE_RPS; ;) {
    const shares = maxima.map(
      (maximum, at) => rateRps / maximum + (noise[(rates.length + at) % noise.length] ?? 0),
    );
    const [client = 0, server = 0, thread = 0, worker = 0, linkShare = 0] = shares;
    const reading = { rateRps, busyShares: [client, server], threadShares: [thread, worker], linkShare };
    rates.push(rateRps);
    const next = rates.length < MOST_READINGS ? raiseRate(reading) : null;
    if (next === null) return { rates, maximum: predictMaximum(reading) };
    rateRps = next;
  }
}

const maxima = fc.array(fc.integer({ min: 4_000, max: 3_000_000 }), { minLength: 5, maxLength: 5 });

describe('a host whose resources are used in proportion to the rate', () => {
  it('is estimated exactly, in a few windows at rising rates, at most at half of any resource', () => {
    fc.assert(
      fc.property(maxima, (all) => {
        const { rates, maximum } = estimate({ maxima: all, noise: [0] });
        const least = Math.min(...all);
        expect(maximum / least).toBeCloseTo(1, 3);
        expect(rates.length).toBeLessThan(MOST_READINGS);
        expect(Math.max(...rates)).toBeLessThanOrEqual(0.5 * least);
        expect(rates).toEqual([...new Set(rates)].toSorted((one, other) => one - other));
      }),
    );
  });

  it('is loaded to half of any resource at most where readings are off by 3 % of it, and estimated within 16 %', () => {
    const noise = fc.array(fc.double({ min: -0.03, max: 0.03, noNaN: true }), {
      minLength: 40,
      maxLength: 40,
    });
    fc.assert(
      fc.property(maxima, noise, (all, off) => {
        const { rates, maximum } = estimate({ maxima: all, noise: off });
        const least = Math.min(...all);
        expect(rates.length).toBeLessThanOrEqual(MOST_READINGS);
        expect(Math.max(...rates)).toBeLessThanOrEqual(0.5 * least);
        expect(Math.abs(maximum / least - 1)).toBeLessThan(0.16);
      }),
      { numRuns: 2_000 },
    );
  });
});
