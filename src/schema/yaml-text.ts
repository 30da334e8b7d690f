import {
  isAlias,
  isMap,
  isScalar,
  isSeq,
  LineCounter,
  parseDocument,
  Parser,
  visit,
  type Document,
  type YAMLError,
} from 'yaml';
import { type BarewireError, userError } from './error.js';

/** What people write has a dozen levels and some kilobytes; the parser takes minutes for a thousand levels. */
const MOST_LEVELS = 100;
const MOST_CHARACTERS = 1_000_000;

/**
 * A text in YAML that a user wrote. One policy for all of them: YAML 1.2 in UTF-8, one document, unique keys, no tags; anchors,
 * aliases and merge keys (`<<`) work; JSON is YAML too.
 */
export class YamlText {
  /** Plain data. A number keeps its text where that says more than its value: `50.000`, `5e4`. */
  readonly value: unknown;
  readonly #path: string;
  readonly #lines = new LineCounter();
  readonly #document: Document.Parsed;

  /** @throws BarewireError `bad-input` with file, line and column */
  constructor(path: string, text: string) {
    this.#path = path;
    requirePlain(path, text);
    this.#document = parseDocument(text, {
      lineCounter: this.#lines,
      prettyErrors: false,
      merge: true,
      version: '1.2',
      schema: 'core',
    });
    const [problem] = [...this.#document.errors, ...this.#document.warnings];
    if (problem !== undefined) throw this.#refuse(problem);
    this.#check();
    try {
      this.value = this.#document.toJS();
    } catch (error) {
      // The parser counts what chains of aliases expand to.
      throw userError(`${path} has too many aliases.`, 'Write some of the values in full, without anchors.', {
        cause: error,
      });
    }
  }

  /** `FILE:LINE:COLUMN` of the value at a path of keys, or of the nearest value around it. */
  placeOf(path: readonly PropertyKey[]): string {
    return this.#placeAt(this.#find(path).value);
  }

  /** The same of a key. */
  placeOfKey(path: readonly PropertyKey[]): string {
    const { key, value } = this.#find(path);
    return this.#placeAt(key ?? value);
  }

  #find(path: readonly PropertyKey[]): { readonly key: unknown; readonly value: unknown } {
    let found: { key: unknown; value: unknown } = { key: null, value: this.#document.contents };
    for (const name of path) {
      const next = this.#child(found.value, String(name));
      if (next === null) break;
      // A key without a value is where its value belongs.
      found = next.value === null ? { ...next, value: next.key } : next;
    }
    return found;
  }

  #child(node: unknown, name: string): { key: unknown; value: unknown } | null {
    const parent = isAlias(node) ? node.resolve(this.#document) : node;
    if (isSeq(parent)) return name in parent.items ? { key: null, value: parent.items[Number(name)] } : null;
    if (!isMap(parent)) return null;
    const own = parent.items.find(({ key }) => (isScalar(key) ? String(key.value) : String(key)) === name);
    if (own !== undefined) return own;
    for (const { key, value } of parent.items)
      if (isMergeKey(key))
        for (const merged of isSeq(value) ? value.items : [value]) {
          const inherited = this.#child(merged, name);
          if (inherited !== null) return inherited;
        }
    return null;
  }

  #placeAt(node: unknown): string {
    return this.#placeAtOffset((node as { range?: readonly number[] } | null)?.range?.[0] ?? 0);
  }

  #placeAtOffset(offset: number): string {
    const { line, col } = this.#lines.linePos(offset);
    return `${this.#path}:${Math.max(1, line)}:${Math.max(1, col)}`;
  }

  /** Refuses what has no meaning as plain data. A number that is not written as it is printed becomes its text. */
  #check(): void {
    const bad = (node: unknown, problem: string, hint: string): BarewireError =>
      userError(`${this.#placeAt(node)}: ${problem}.`, hint);
    visit(this.#document, {
      Node: (_, node) => {
        if (!isAlias(node) && node.tag !== undefined) throw bad(node, TAG.message, TAG.hint);
      },
      Alias: (_, alias, ancestors) => {
        const target = alias.resolve(this.#document);
        if (target === undefined)
          throw bad(
            alias,
            `there is no anchor &${alias.source} before it`,
            `Write &${alias.source} at the value that it repeats.`,
          );
        if (ancestors.includes(target))
          throw bad(alias, `*${alias.source} is within its own anchor`, 'Write the value in full.');
      },
      Pair: (_, { key, value }) => {
        if (!isScalar(key)) throw bad(key, 'a key must be a text', 'Write KEY: VALUE.');
        if (!isMergeKey(key)) return;
        for (const merged of isSeq(value) ? value.items : [value])
          if (!isMap(isAlias(merged) ? merged.resolve(this.#document) : merged))
            throw bad(
              merged ?? key,
              '<< must be followed by keys and values',
              'Write <<: *NAME, with &NAME at keys and values.',
            );
      },
      Scalar: (_, node) => {
        if (typeof node.value === 'number' && node.source !== undefined && String(node.value) !== node.source)
          node.value = node.source;
      },
    });
  }

  #refuse({ code, message, pos }: YAMLError): BarewireError {
    const place = this.#placeAtOffset(pos[0]);
    const problem = PROBLEMS[code];
    return problem === undefined
      ? userError(`${place}: not YAML: ${message.replace(/\.$/, '')}.`, 'JSON is YAML too.')
      : userError(`${place}: ${problem.message}.`, problem.hint);
  }
}

const TAG = {
  message: 'tags such as `!!set` or `!name` are not supported',
  hint: 'Write the value without its tag.',
};
/** Errors whose words of the parser are for programmers. */
const PROBLEMS: Readonly<Partial<Record<YAMLError['code'], { message: string; hint: string }>>> = {
  MULTIPLE_DOCS: {
    message: 'a second document begins here',
    hint: 'Keep one document in a file, and remove the line `---` between them.',
  },
  DUPLICATE_KEY: { message: 'the key is there twice', hint: 'Remove one of them.' },
  TAG_RESOLVE_FAILED: TAG,
  TAB_AS_INDENT: { message: 'a tab indents the line', hint: 'Indent with spaces.' },
};

/** As the parser decides it: a quoted key is an ordinary one. */
const isMergeKey = (key: unknown): boolean => isScalar(key) && key.source === '<<' && key.type === 'PLAIN';

/** The beginning of UTF-16 that was decoded as UTF-8: its mark, or every other byte zero. */
const WIDE = /^(?:\uFFFD\uFFFD|(?:[^\0]\0){2}|(?:\0[^\0]){2})/;

/** @throws BarewireError where the text is not UTF-8, too long, or nested too deeply */
function requirePlain(path: string, text: string): void {
  const undecoded = /\0|\uFFFD/.exec(text);
  if (undecoded !== null) {
    if (WIDE.test(text))
      throw userError(`${path} is UTF-16, not UTF-8.`, 'Save the file as UTF-8: iconv -f UTF-16 -t UTF-8.');
    const before = text.slice(0, undecoded.index).split('\n');
    const place = `${path}:${before.length}:${(before.at(-1) ?? '').length + 1}`;
    if (undecoded[0] === '\0')
      throw userError(`${place}: a zero byte, which no text has.`, 'Name a YAML or JSON file.');
    throw userError(`${place}: not UTF-8.`, 'Save the file as UTF-8: iconv -f LATIN1 -t UTF-8.');
  }
  if (text.length > MOST_CHARACTERS)
    throw userError(`${path} has ${text.length} characters.`, `Keep it below ${MOST_CHARACTERS}.`);
  let level: object[] = [...new Parser().parse(text)];
  for (let depth = 0; level.length > 0; depth++) {
    if (depth > MOST_LEVELS)
      throw userError(`${path} has more than ${MOST_LEVELS} levels.`, 'Close the brackets, or nest less.');
    level = level.flatMap(tokensWithin);
  }
}

/** The keys and values of a token of the syntax. */
function tokensWithin(token: object): object[] {
  const { items, value } = token as { readonly items?: readonly object[]; readonly value?: unknown };
  return [
    ...(items ?? []).flatMap((item) => ['key' in item && item.key, 'value' in item && item.value]),
    value,
  ].filter((within): within is object => typeof within === 'object' && within !== null);
}
