import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import {
  durationQuantity,
  parseDurationMs,
  parseRate,
  positiveQuantity,
  printRate,
  requireQuantity,
  shareQuantity,
  wholeQuantity,
} from '../../src/schema/index.js';

describe('a rate', () => {
  it.each([
    ['50000', { kind: 'absolute', rps: 50_000 }],
    ['50k', { kind: 'absolute', rps: 50_000 }],
    ['50K', { kind: 'absolute', rps: 50_000 }],
    ['50k/s', { kind: 'absolute', rps: 50_000 }],
    ['50k rps', { kind: 'absolute', rps: 50_000 }],
    ['50 rps', { kind: 'absolute', rps: 50 }],
    ['0.5M', { kind: 'absolute', rps: 500_000 }],
    ['.5M', { kind: 'absolute', rps: 500_000 }],
    ['1_000', { kind: 'absolute', rps: 1_000 }],
    ['5e4', { kind: 'absolute', rps: 50_000 }],
    ['5E4', { kind: 'absolute', rps: 50_000 }],
    ['1e+4', { kind: 'absolute', rps: 10_000 }],
    ['1.1k', { kind: 'absolute', rps: 1_100 }],
    ['1234.567', { kind: 'absolute', rps: 1_234.567 }],
    ['50.00', { kind: 'absolute', rps: 50 }],
    ['30%', { kind: 'share', ofMax: 0.3 }],
    ['0.07 %', { kind: 'share', ofMax: 0.0007 }],
    ['12.500%', { kind: 'share', ofMax: 0.125 }],
    ...[
      '300%',
      '30%/s',
      'rps',
      '0%',
      '50kk',
      'fast',
      '-1',
      '+1',
      '',
      ' ',
      'k',
      '.',
      '1.',
      '1.2.3',
      '1__0',
      '0x10',
      '010',
      '1e999',
      '5e',
      '50,000',
      '50.000',
      '1.500k',
      '١٠',
    ].map((text) => [text, null] as const),
  ] as const)('%j', (text, rate) => {
    expect(parseRate(text)).toEqual(rate);
  });

  it('with thousands after a dot is refused with both meanings', () => {
    expect(() => requireQuantity('--rate', '50.000', wholeQuantity(1, 1e6))).toThrow(
      '--rate must be a whole number from 1 to 1000000, got "50.000", which is 50 or 50000.',
    );
  });

  it('reads what it prints', () => {
    const rate = fc.oneof(
      fc.double({ min: 0.001, max: 1e8, noNaN: true }).map((rps) => ({ kind: 'absolute' as const, rps })),
      fc.integer({ min: 1, max: 2_000 }).map((per) => ({ kind: 'share' as const, ofMax: per / 1_000 })),
    );
    fc.assert(
      fc.property(rate, (one) => {
        const text = printRate(one);
        fc.pre(!/^\d{1,3}\.\d{3}$/.test(text));
        expect(parseRate(text)).toEqual(one);
      }),
    );
  });
});

describe('a duration', () => {
  it.each([
    ['3', 3_000],
    ['3s', 3_000],
    ['250ms', 250],
    ['500us', 0.5],
    ['500 µs', 0.5],
    ['2m', 120_000],
    ['2min', 120_000],
    ['1h', 3_600_000],
    ['1.5s', 1_500],
    ['1.500s', 1_500],
    ['2E1ms', 20],
    [3, 3_000],
    [0.1, 100],
    ['1.2.3s', null],
    ['3 parsecs', null],
    ['-3s', null],
    ['', null],
    ['toString', null],
    ['5constructor', null],
  ])('%j', (text, ms) => {
    expect(parseDurationMs(text)).toBe(ms);
  });

  it('outside of its bounds is refused with both', () => {
    expect(() => requireQuantity('--duration', '10us', durationQuantity(100, 3_600_000))).toThrow(
      '--duration must be a duration from 100 ms to 1 h, got "10us".',
    );
  });
});

describe('other quantities', () => {
  it.each([
    ['64', 64],
    ['1k', 1_000],
    ['1e3', 1_000],
    ['1.5k', 1_500],
    ['60_000', 60_000],
    [1e6, 1_000_000],
    ['1.5', null],
    ['1.000', null],
    ['64 connections', null],
    ['0', null],
    ['1e7', null],
    ['08', null],
    [-1, null],
    [Number.NaN, null],
    [Number.POSITIVE_INFINITY, null],
  ])('a whole number: %j', (given, value) => {
    expect(wholeQuantity(1, 1_000_000)(given)).toMatchObject(value === null ? { problem: {} } : { value });
  });

  it.each([
    ['5%', 0.05],
    ['0.05', 0.05],
    ['.05', 0.05],
    ['100 %', 1],
    [0.2, 0.2],
    ['0', null],
    ['101%', null],
    ['5', null],
    ['five', null],
  ])('a share: %j', (given, value) => {
    expect(shareQuantity(1)(given)).toMatchObject(value === null ? { problem: {} } : { value });
  });

  it.each([
    ['0.5', 0.5],
    ['10k', 10_000],
    ['0', null],
    ['-1', null],
  ])('a positive number: %j', (given, value) => {
    expect(positiveQuantity(1e6)(given)).toMatchObject(value === null ? { problem: {} } : { value });
  });
});
