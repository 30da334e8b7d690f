import { type BarewireError, userError } from './error.js';
import type { Rate } from './rate.js';

/**
 * The grammar of every quantity, on the command line, in YAML and in JSON: a decimal number (`1500`, `1_500`, `1.5`, `.5`, `1.5e3`, `15E+2`),
 * a space or none, and a unit. A thousand is `k`, a million `M`.
 */
const QUANTITY = /^(?<number>(?:\d+(?:_\d+)*)?(?:\.\d+)?(?:[eE][+-]?\d+)?)\s*(?<unit>[a-zA-Zµμ%]*)$/;

/** A quantity as its kind reads it, or why it is none. */
type Quantity<T> = { readonly value: T } | { readonly problem: QuantityProblem };
export interface QuantityProblem {
  /** What must be written, after "must be". */
  readonly expected: string;
  /** A clause about the value itself, after a comma. */
  readonly why?: string;
  readonly hint: string;
}
/** Reads the quantities of one kind. */
export type QuantityKind<T> = (given: string | number) => Quantity<T>;

interface Parts {
  readonly number: number;
  /** As it was written. */
  readonly digits: string;
  readonly unit: string;
}

function split(given: string | number): Parts | null {
  const { number: digits = '', unit = '' } = QUANTITY.exec(String(given).trim())?.groups ?? {};
  // With a leading zero a number is octal in some languages, and half of `10,050` in a list.
  if (!/^\.?\d/.test(digits) || /^0[\d_]/.test(digits)) return null;
  const number = Number(digits.replaceAll('_', ''));
  return Number.isFinite(number) ? { number, digits, unit } : null;
}

/** Decimal shifts keep numbers exact: 0.07 % is 0.0007, and 1.1k is 1100. */
const shifted = ({ number }: Parts, exponent: number): number => {
  const [mantissa, own = '0'] = String(number).split('e');
  return Number(`${mantissa}e${Number(own) + exponent}`);
};

const THOUSANDS: ReadonlyMap<string, number> = new Map([
  ['', 0],
  ['k', 3],
  ['K', 3],
  ['M', 6],
]);
const THOUSANDS_USAGE = 'Write digits: 50000, 50_000 or 50k.';

/** `50.000` is fifty in one half of the world and fifty thousand in the other. */
function ambiguity({ digits, unit }: Parts, expected: string): QuantityProblem | null {
  const [, whole, thousandths] = /^(\d{1,3})\.(\d{3})$/.exec(digits) ?? [];
  if (whole === undefined || thousandths === undefined) return null;
  const [less, more] = [String(Number(`${whole}.${thousandths}`)), String(Number(whole + thousandths))];
  return {
    expected,
    why: `which is ${less}${unit} or ${more}${unit}`,
    hint: `Write ${more}${unit} or ${less}${unit}.`,
  };
}

/** `64`, `60_000`, `60k`, `1e3`. */
export const wholeQuantity =
  (least: number, most: number): QuantityKind<number> =>
  (given) => {
    const expected = `a whole number from ${least} to ${most}`;
    const parts = split(given);
    const exponent = parts === null ? undefined : THOUSANDS.get(parts.unit);
    if (parts !== null && exponent !== undefined) {
      const problem = ambiguity(parts, expected);
      if (problem !== null) return { problem };
      const value = shifted(parts, exponent);
      if (Number.isInteger(value) && value >= least && value <= most) return { value };
    }
    return {
      problem: { expected, hint: most >= 1_000 ? THOUSANDS_USAGE : `Write digits: ${Math.max(least, 1)}.` },
    };
  };

/** Powers of ten that make milliseconds, or factors of them. */
const DURATIONS: Readonly<Record<string, { readonly exponent: number; readonly factor?: number }>> = {
  us: { exponent: -3 },
  µs: { exponent: -3 },
  μs: { exponent: -3 },
  ms: { exponent: 0 },
  s: { exponent: 3 },
  m: { exponent: 3, factor: 60 },
  min: { exponent: 3, factor: 60 },
  h: { exponent: 3, factor: 3_600 },
};
const printMs = (ms: number): string =>
  ms >= 3_600_000 ? `${ms / 3_600_000} h` : ms >= 1_000 ? `${ms / 1_000} s` : `${ms} ms`;

/** `3s`, `250ms`, `2m`, `1h`, `500us`, and `3` for seconds; the value is in ms. */
export const durationQuantity =
  (leastMs: number, mostMs: number): QuantityKind<number> =>
  (given) => {
    const value = parseDurationMs(given);
    return value !== null && value >= leastMs && value <= mostMs
      ? { value }
      : {
          problem: {
            expected: `a duration from ${printMs(leastMs)} to ${printMs(mostMs)}`,
            hint: 'Write 250ms, 3s, 2m or 1h.',
          },
        };
  };

/** Milliseconds; null for what is no duration. A number without a unit is seconds. */
export function parseDurationMs(given: string | number): number | null {
  const parts = split(given);
  const unit = parts?.unit === '' ? 's' : (parts?.unit ?? '');
  const scale = Object.hasOwn(DURATIONS, unit) ? DURATIONS[unit] : undefined;
  if (parts === null || scale === undefined) return null;
  return shifted(parts, scale.exponent) * (scale.factor ?? 1);
}

/** `5%` or `0.05`, greater than nothing. */
export const shareQuantity =
  (most: number): QuantityKind<number> =>
  (given) => {
    const parts = split(given);
    const value = parts?.unit === '%' ? shifted(parts, -2) : parts?.unit === '' ? parts.number : Number.NaN;
    return value > 0 && value <= most
      ? { value }
      : {
          problem: {
            expected: `a share above 0 and up to ${most * 100}%`,
            hint: 'Write 5% or 0.05.',
          },
        };
  };

/** `2`, `0.5`, `1.5k`. */
export const positiveQuantity =
  (most: number): QuantityKind<number> =>
  (given) => {
    const parts = split(given);
    const exponent = parts === null ? undefined : THOUSANDS.get(parts.unit);
    const value = parts === null || exponent === undefined ? Number.NaN : shifted(parts, exponent);
    return value > 0 && value <= most
      ? { value }
      : { problem: { expected: `a number above 0 and up to ${most}`, hint: 'Write 2, 0.5 or 10k.' } };
  };

/** No generator on one machine reaches it: the unit is wrong. */
const MOST_RPS = 100_000_000;
const MOST_SHARE = 2;
const RATE = 'a rate above 0';
const RATE_PROBLEM: QuantityProblem = {
  expected: RATE,
  hint: "Write requests per second (50000, 50k, 50k/s) or a share of the reference's maximum, up to 200% (30%).",
};

/** `30%` of the reference's maximum; `50000`, `50k`, `0.5M`, `50k/s`, `50k rps` requests per second. */
export const rateQuantity: QuantityKind<Rate> = (given) => {
  const text = String(given).trim();
  const parts = split(text.replace(/\s*(?:rps|\/s)$/, ''));
  if (parts === null) return { problem: RATE_PROBLEM };
  if (text.endsWith('%')) {
    const ofMax = shifted(parts, -2);
    return ofMax > 0 && ofMax <= MOST_SHARE ? { value: { kind: 'share', ofMax } } : { problem: RATE_PROBLEM };
  }
  const exponent = THOUSANDS.get(parts.unit);
  if (exponent === undefined) return { problem: RATE_PROBLEM };
  const problem = ambiguity(parts, RATE);
  if (problem !== null) return { problem };
  const rps = shifted(parts, exponent);
  return rps > 0 && rps <= MOST_RPS
    ? { value: { kind: 'absolute', rps } }
    : {
        problem:
          rps > 0 ? { ...RATE_PROBLEM, expected: `${RATE} and up to ${MOST_RPS} requests/s` } : RATE_PROBLEM,
      };
};

/** Null for what is no rate. */
export function parseRate(given: string | number): Rate | null {
  const read = rateQuantity(given);
  return 'value' in read ? read.value : null;
}

/** `--rate must be …, got "x".` */
export const refuseQuantity = (
  what: string,
  given: unknown,
  { expected, why, hint }: QuantityProblem,
): BarewireError =>
  userError(
    `${what} must be ${expected}, got ${JSON.stringify(given)}${why === undefined ? '' : `, ${why}`}.`,
    hint,
  );

/**
 * Reads a quantity of an option.
 *
 * @throws BarewireError `bad-input` with the option and the value
 */
export function requireQuantity<T>(option: string, given: string | number, read: QuantityKind<T>): T {
  const quantity = read(given);
  if ('value' in quantity) return quantity.value;
  throw refuseQuantity(option, given, quantity.problem);
}
