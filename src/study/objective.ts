import {
  LATENCY_KEYS,
  nearest,
  parseDurationMs,
  parseRate,
  positiveQuantity,
  type Criterion,
  type LatencyLimit,
  type Objective,
} from '../schema/index.js';

/** A text that cannot be parsed, with the nearest valid one. */
interface Unparsed {
  readonly nearest: string;
}

/**
 * Parses criteria with weights: `p99@50%`, `max:p99<2ms*2`, `cpu,setup`. For any other text returns the nearest valid text of the
 * criterion that is not valid.
 */
export function parseObjective(text: string): Objective | Unparsed {
  const criteria: Criterion[] = [];
  for (const part of text.split(',')) {
    const criterion = parseCriterion(part.trim());
    if ('nearest' in criterion) return criterion;
    const maxima = criteria.filter(({ kind }) => kind === 'maximum').length;
    if (criterion.kind === 'maximum' && maxima > 0) return { nearest: text.split(',')[0] ?? 'max' };
    criteria.push(criterion);
  }
  return criteria;
}

const MOST_WEIGHT = 1_000;
/** The greatest sample has no typical value: a longer slice has a greater one. */
const QUANTILE_KEYS = LATENCY_KEYS.filter((key) => key !== 'max');

function parseCriterion(text: string): Criterion | Unparsed {
  const [body = '', factor, ...more] = text.split('*').map((part) => part.trim());
  const factorRead = positiveQuantity(MOST_WEIGHT)(factor ?? 1);
  if (more.length > 0 || !('value' in factorRead)) return { nearest: `${body || 'p99'}*2` };
  const weight = factorRead.value;
  if (body === 'setup') return { kind: 'setup', weight };
  if (body === 'max') return { kind: 'maximum', limit: null, weight };
  if (/[:<≤]/.test(body)) {
    const limit = parseLimit(body.replace(/^max\s*:/, ''));
    if ('nearest' in limit) return { nearest: `max:${limit.nearest}` };
    return body.startsWith('max') && body.includes(':')
      ? { kind: 'maximum', limit, weight }
      : { nearest: `max:${body}` };
  }
  const [name = '', rate, ...others] = body.split('@').map((part) => part.trim());
  const at = rate === undefined ? null : parseRate(rate);
  if (others.length > 0 || (rate !== undefined && at === null)) return { nearest: `${name}@50%` };
  if (name === 'cpu') return { kind: 'cpu', at, weight };
  const latency = QUANTILE_KEYS.find((key) => key === name);
  if (latency !== undefined) return { kind: 'latency', latency, at, weight };
  return { nearest: nearest(name, [...QUANTILE_KEYS, 'cpu', 'setup', 'max']) ?? 'p99' };
}

const LIMIT = /^\s*(?<latency>[a-zA-Z]+[\d.]*)\s*(?:<|<=|≤)\s*(?<number>[\d._eE+-]*?)\s*(?<unit>\p{L}*)\s*$/u;

/** Parses `p99<2ms`, `p99.9 < 500us`, `max<1s`. */
function parseLimit(text: string): LatencyLimit | Unparsed {
  const { latency: asked, number, unit } = LIMIT.exec(text)?.groups ?? {};
  if (asked === undefined || number === undefined || unit === undefined) return { nearest: 'p99<2ms' };
  const latency = LATENCY_KEYS.find((key) => key === asked);
  const limitMs = unit === '' ? null : parseDurationMs(number + unit);
  if (latency !== undefined && limitMs !== null && limitMs > 0) return { latency, limitMs };
  return {
    nearest: [
      latency ?? nearest(asked, LATENCY_KEYS),
      '<',
      (parseDurationMs(number) ?? 0) > 0 ? number : '2',
      limitMs === null ? (nearest(unit || 'ms', ['ms', 'us', 's']) ?? 'ms') : unit,
    ].join(''),
  };
}
