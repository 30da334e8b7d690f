import fc from 'fast-check';
import { createHash } from 'node:crypto';
import { existsSync, mkdirSync, readdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, test } from 'vitest';
import { BarewireError } from '../../src/schema/index.js';

/** A reader of inputs that others wrote. */
interface Target {
  /** Also the folder of its corpus. */
  readonly name: string;
  /** Valid inputs, which are mutated. */
  readonly seeds: readonly string[];
  /** Reads an input. An error that blames the input is right; everything else that it throws is a crash. */
  readonly feed: (input: string) => unknown;
  /** Errors that blame the input, beside those of the user and the machine. */
  readonly isRefusal?: (error: unknown) => boolean;
  /** Of the usual number of runs, for readers that take milliseconds. */
  readonly share?: number;
}

/** Runs of each target; FUZZ_RUNS=100000 FUZZ_SEED=7 searches further. Without a seed each run of CI tries the same inputs. */
const RUNS = Number(process.env['FUZZ_RUNS'] ?? 400);
const SEED = Number(process.env['FUZZ_SEED'] ?? 1);
/** An input of some kilobytes is read in milliseconds: what takes longer than this does not end in practice. */
const MAX_MS = 5_000;
const CORPUS = join(import.meta.dirname, 'corpus');

/** Reads what failed once, and then mutations of it and of the seeds. A new failure is written to the corpus. */
export function fuzz({ name, seeds, feed, isRefusal = () => false, share = 1 }: Target): void {
  const folder = join(CORPUS, name);
  const kept = (existsSync(folder) ? readdirSync(folder) : []).map((file) => ({
    file,
    text: readFileSync(join(folder, file), 'latin1'),
  }));
  const read = async (input: string): Promise<void> => {
    const beganMs = performance.now();
    try {
      await feed(input);
    } catch (error) {
      if (!isRefusal(error) && !(error instanceof BarewireError && error.fault !== 'bug')) throw error;
    }
    const tookMs = performance.now() - beganMs;
    if (tookMs > MAX_MS) throw new Error(`Reading ${input.length} bytes took ${Math.round(tookMs)} ms`);
  };
  describe(name, () => {
    test.each(kept)('reads or refuses what failed once: $file', ({ text }) => read(text));
    test('reads or refuses mutated inputs', async () => {
      let failed = '';
      const property = fc.asyncProperty(
        mutated([...seeds, ...kept.map(({ text }) => text)]),
        async (input) => {
          try {
            await read(input);
          } catch (error) {
            failed = input;
            throw error;
          }
        },
      );
      try {
        await fc.assert(property, { numRuns: Math.ceil(RUNS * share), seed: SEED });
      } catch (error) {
        // Shrinking ends with the smallest input.
        const file = createHash('sha256').update(failed).digest('hex').slice(0, 12);
        mkdirSync(folder, { recursive: true });
        writeFileSync(join(folder, file), failed, 'latin1');
        throw new Error(`${folder}/${file} is an input that fails`, { cause: error });
      }
    }, 120_000);
  });
}

/** Words that readers give a meaning, and values that their arithmetic does not expect. */
const WORDS = [
  ...[
    '',
    '\0',
    ' ',
    '\n',
    '\r\n',
    '\t',
    '"',
    "'",
    '\\',
    ':',
    ',',
    ';',
    '/',
    '-',
    '.',
    '%',
    '#',
    '&a',
    '*a',
    '<<: ',
  ],
  ...[
    '[',
    ']',
    '{',
    '}',
    '[]',
    '{}',
    '((((',
    '))))',
    '<',
    '>',
    '\u00ff',
    '\uFEFF',
    '\u{1F600}',
    '? ',
    '- ',
    '!!set ',
    '---\n',
  ],
  ...[
    'null',
    'true',
    '0',
    '-1',
    '1e999',
    '1.2.3',
    '50.000',
    '4294967296',
    '18446744073709551616',
    '0x10',
    'NaN',
  ],
  ...['__proto__', 'constructor', 'toString', 'hasOwnProperty', '::1', '255.255.255.255/33', '../..', '%00'],
];
const VALUES: readonly unknown[] = [
  ...[
    null,
    true,
    '',
    ' ',
    '0',
    '-1',
    [],
    {},
    [null],
    [[]],
    { constructor: 1 },
    'constructor',
    '__proto__',
    'x'.repeat(300),
  ],
  ...[
    0,
    -0,
    -1,
    0.5,
    2 ** 31,
    2 ** 53,
    1e308,
    -1e308,
    '\u0000',
    '\uD800',
    '10.0.0.0/33',
    'fd00::/129',
    'NaN',
  ],
];

interface Mutation {
  readonly kind: 'insert' | 'delete' | 'repeat' | 'replace' | 'flip' | 'splice' | 'value' | 'drop';
  /** Share of the length. */
  readonly at: number;
  readonly length: number;
  readonly pick: number;
}

const mutation: fc.Arbitrary<Mutation> = fc.record({
  kind: fc.constantFrom('insert', 'delete', 'repeat', 'replace', 'flip', 'splice', 'value', 'drop'),
  at: fc.double({ min: 0, max: 1, noNaN: true, maxExcluded: true }),
  length: fc.integer({ min: 1, max: 40 }),
  pick: fc.nat(10_000),
});

function mutated(seeds: readonly string[]): fc.Arbitrary<string> {
  const changed = fc
    .tuple(fc.constantFrom(...seeds), fc.array(mutation, { minLength: 1, maxLength: 6 }))
    .map(([seed, mutations]) => mutations.reduce((text, one) => mutate(text, one, seeds), seed));
  return fc.oneof(
    { weight: 20, arbitrary: changed },
    { weight: 1, arbitrary: fc.string({ unit: 'binary', maxLength: 80 }) },
    { weight: 1, arbitrary: fc.json() },
  );
}

function mutate(text: string, { kind, at, length, pick }: Mutation, seeds: readonly string[]): string {
  const from = Math.floor(at * text.length);
  const [before, after] = [text.slice(0, from), text.slice(from)];
  const word = WORDS[pick % WORDS.length] ?? '';
  switch (kind) {
    case 'insert':
      return before + word + after;
    case 'delete':
      return before + after.slice(length);
    case 'repeat':
      return before + after.slice(0, length).repeat(1 + (pick % 30)) + after;
    case 'replace':
      return before + word + after.slice(length);
    case 'flip':
      return before + String.fromCharCode(after.charCodeAt(0) ^ (1 << (pick % 8)) || 0) + after.slice(1);
    case 'splice': {
      const other = seeds[pick % seeds.length] ?? '';
      return before + other.slice(Math.floor(at * other.length));
    }
    case 'value':
    case 'drop':
      return mutateJson(text, kind, at, pick);
  }
}

/** Replaces or removes one value of a JSON text, or of one of its lines; other texts stay. */
function mutateJson(text: string, kind: 'value' | 'drop', at: number, pick: number): string {
  const lines = text.split('\n');
  const line = Math.floor(at * lines.length);
  for (const [part, join] of [
    [text, (json: string) => json],
    [lines[line] ?? '', (json: string) => lines.toSpliced(line, 1, json).join('\n')],
  ] as const)
    try {
      const root: unknown = { root: JSON.parse(part) as unknown };
      const places = listPlaces(root);
      const place = places[pick % places.length];
      if (place === undefined) return text;
      if (kind === 'drop' && Array.isArray(place.holder)) place.holder.splice(Number(place.key), 1);
      else if (kind === 'drop') Reflect.deleteProperty(place.holder, place.key);
      else Reflect.set(place.holder, place.key, VALUES[Math.floor(pick / places.length) % VALUES.length]);
      return join(JSON.stringify((root as { root?: unknown }).root ?? null));
    } catch {
      // Not JSON: the next part.
    }
  return text;
}

function listPlaces(holder: unknown): { readonly holder: object; readonly key: string }[] {
  if (typeof holder !== 'object' || holder === null) return [];
  return Object.entries(holder).flatMap(([key, value]) => [{ holder, key }, ...listPlaces(value)]);
}
