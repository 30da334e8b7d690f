import { didYouMean, userError, YamlText, type BarewireError } from '../schema/index.js';
import { findKnob } from './catalog.js';
import { findProfile } from './profiles.js';
import type { Knob, KnobValue, Profile } from './types.js';

type Values = readonly [KnobValue, ...KnobValue[]];
const KEYS = ['name', 'what', 'extends', 'knobs'] as const;

/**
 * Resolves a profile by its name, or from a file, which may extend another profile or file.
 *
 * @param readText reads a file, and throws where it cannot
 * @throws BarewireError `bad-input` with file, line and column
 */
export function resolveProfile(asked: string, readText: (path: string) => string): Profile {
  return isFile(asked) ? resolveFile(normalize(asked), readText, []) : findProfile(asked);
}

const isFile = (name: string): boolean => /\.(ya?ml|json)$/.test(name) || name.includes('/');

function resolveFile(path: string, readText: (path: string) => string, below: readonly string[]): Profile {
  if (below.includes(path))
    throw userError(
      `The profile ${path} extends itself: ${[...below.slice(below.indexOf(path)), path].join(' → ')}.`,
      'Remove one `extends`.',
    );
  const source = new ProfileSource(path, readText(path));
  const { name, what, base, knobs } = source.read();
  const inherited =
    base === null
      ? findProfile('none')
      : isFile(base.name)
        ? resolveFile(normalize(base.name, path), readText, [...below, path])
        : findProfile(base.name, base.place);
  const merged: Record<string, Values> = { ...inherited.knobs };
  for (const [knob, values] of knobs)
    if (values === null) Reflect.deleteProperty(merged, knob);
    else merged[knob] = values;
  return { name, what: what ?? `extends ${inherited.name}`, knobs: merged };
}

/** Without `.` and `..`, and relative to another file where there is one: so that each file has one name. */
function normalize(path: string, from = ''): string {
  const folder = path.startsWith('/') ? '' : from.replace(/[^/]*$/, '');
  const parts: string[] = [];
  for (const part of `${folder}${path}`.split('/'))
    if (part === '..' && parts.length > 0 && parts.at(-1) !== '..' && parts.at(-1) !== '') parts.pop();
    else if (part !== '.' && (part !== '' || parts.length === 0)) parts.push(part);
  return parts.join('/');
}

interface ProfileText {
  readonly name: string;
  readonly what: string | null;
  readonly base: { readonly name: string; readonly place: string } | null;
  /** Null for a knob that is omitted. */
  readonly knobs: readonly (readonly [string, Values | null])[];
}

/** The text of a profile, whose parts know their line and column. */
class ProfileSource {
  readonly #path: string;
  readonly #text: YamlText;

  constructor(path: string, text: string) {
    this.#path = path;
    this.#text = new YamlText(path, text);
  }

  read(): ProfileText {
    const root = this.#text.value;
    if (!isFields(root)) throw this.#bad([], 'a profile has keys and values', `Keys: ${KEYS.join(', ')}.`);
    for (const key of Object.keys(root))
      if (!KEYS.some((known) => known === key) && !key.startsWith('x-'))
        throw userError(
          `${this.#text.placeOfKey([key])}: unknown key "${key}".`,
          `${didYouMean(key, KEYS)}Keys: ${KEYS.join(', ')}; keys of your own begin with x-.`,
        );
    const text = (key: 'name' | 'what' | 'extends'): string | null => {
      const value = root[key];
      if (value === undefined) return null;
      if (typeof value === 'string' && value !== '') return value;
      throw this.#bad([key], `${key} must be a text`, `Write ${key}: latency.`);
    };
    const base = text('extends');
    return {
      name: text('name') ?? this.#path.replace(/.*\//, '').replace(/\.\w+$/, ''),
      what: text('what'),
      base: base === null ? null : { name: base, place: this.#text.placeOf(['extends']) },
      knobs: this.#knobs(root['knobs']),
    };
  }

  #knobs(fields: unknown): (readonly [string, Values | null])[] {
    if (fields === undefined) return [];
    if (!isFields(fields))
      throw this.#bad(['knobs'], 'knobs must be keys and values', 'Write knobs: { swappiness: 10 }.');
    return Object.entries(fields).map(([key, given]) => {
      const path = ['knobs', key];
      const knob = findKnob(key, this.#text.placeOfKey(path));
      const all: unknown[] = Array.isArray(given) ? given : [given];
      if (all.length === 1 && isOmitted(knob, all[0])) return [key, null] as const;
      const [first, ...others] = all.map((each, at) =>
        this.#value(knob, each, Array.isArray(given) ? [...path, at] : path),
      );
      if (first === undefined)
        throw this.#bad(
          path,
          `${key} has an empty list`,
          `Write off to omit it, or a value: ${knob.values.usage}.`,
        );
      return [key, [first, ...others]] as const;
    });
  }

  #value({ name, values }: Knob, given: unknown, path: readonly PropertyKey[]): KnobValue {
    if (given === true || given === 'on') {
      if (values.on !== null) return values.on;
      throw this.#bad(path, `${name} has no usual value`, `Write ${values.usage}.`);
    }
    const scalar = given === false ? 'off' : given;
    const parsed = typeof scalar === 'string' || typeof scalar === 'number' ? values.parse(scalar) : null;
    if (parsed !== null) return parsed;
    throw this.#bad(
      path,
      `${name} does not take ${JSON.stringify(given)}`,
      `Write ${values.usage}, or off to omit it.`,
    );
  }

  #bad(path: readonly PropertyKey[], problem: string, hint: string): BarewireError {
    return userError(`${this.#text.placeOf(path)}: ${problem}.`, hint);
  }
}

const isFields = (value: unknown): value is Readonly<Record<string, unknown>> =>
  typeof value === 'object' && value !== null && !Array.isArray(value);

/** `off` omits a knob, unless it is a value of the knob: of a device's feature, which only `unchanged` omits. */
const isOmitted = ({ values }: Knob, given: unknown): boolean =>
  given === 'unchanged' || ((given === 'off' || given === false) && values.parse('off') === null);
