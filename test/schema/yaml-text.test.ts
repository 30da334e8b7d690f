import { describe, expect, it } from 'vitest';
import { YamlText } from '../../src/schema/index.js';

const read = (text: string): unknown => new YamlText('a.yaml', text).value;

describe('a YAML text', () => {
  it.each<[string, string, unknown]>([
    ['comments and a start', '# mine\n---\na: 1\n...\n', { a: 1 }],
    ['JSON', '{"a": [1, 2.5, "x", true, null]}', { a: [1, 2.5, 'x', true, null] }],
    ['a byte order mark and CRLF', '\uFEFFa: 1\r\nb: x\r\n', { a: 1, b: 'x' }],
    ['yes and no as texts', 'a: yes\nb: off\n', { a: 'yes', b: 'off' }],
    [
      'numbers as they are spelt',
      'a: 50.000\nb: 5e4\nc: 0x10\nd: .inf\ne: 010',
      {
        a: '50.000',
        b: '5e4',
        c: '0x10',
        d: '.inf',
        e: '010',
      },
    ],
    [
      'merge keys',
      'x-a: &a { p: 1, q: 2 }\nb: { <<: *a, q: 3 }\n',
      { 'x-a': { p: 1, q: 2 }, b: { p: 1, q: 3 } },
    ],
    [
      'several merged maps',
      'x: &x { p: 1 }\ny: &y { q: 2 }\nb:\n  <<: [*x, *y]\n',
      { x: { p: 1 }, y: { q: 2 }, b: { p: 1, q: 2 } },
    ],
    ['an anchor of a list', 'a: &a [1, 2]\nb: *a\n', { a: [1, 2], b: [1, 2] }],
    ['nothing', '', null],
  ])('with %s', (_, text, value) => {
    expect(read(text)).toEqual(value);
  });

  it.each<[string, string, string]>([
    ['two documents', 'a: 1\n---\nb: 2\n', 'a.yaml:2:1: a second document begins here.'],
    ['a key that is there twice', 'a: 1\nb: 2\na: 3\n', 'a.yaml:3:1: the key is there twice.'],
    ['a tag', 'a: !!set { x }\n', 'a.yaml:1:10: tags such as `!!set` or `!name` are not supported.'],
    ['a tag of another program', 'a: 1\nb: !Ref x\n', 'a.yaml:2:4: tags'],
    ['a tab', 'a:\n\tb: 1\n', 'a.yaml:2:1: a tab indents the line.'],
    ['an open bracket', 'a: [1, 2\nb: 3', 'a.yaml:2:1: not YAML: '],
    ['an unknown anchor', 'a: 1\nb: *c\n', 'a.yaml:2:4: there is no anchor &c before it.'],
    ['an alias within its anchor', 'a: &a\n  - *a\n', 'a.yaml:2:5: *a is within its own anchor.'],
    ['a merge key with a number', '<<: 5\n', 'a.yaml:1:5: << must be followed by keys and values.'],
    ['a merge key with nothing', 'a:\n  <<:\n', 'a.yaml:2:6: << must be'],
    ['a list for a key', '? [1, 2]\n: 3\n', 'a.yaml:1:3: a key must be a text.'],
    ['UTF-16', Buffer.from('\uFEFFa: 1\n', 'utf16le').toString('utf8'), 'a.yaml is UTF-16, not UTF-8.'],
    ['UTF-16 without a mark', Buffer.from('a: 1\n', 'utf16le').toString('utf8'), 'a.yaml is UTF-16'],
    ['a binary file', 'a: 1\n\0\x01\x02', 'a.yaml:2:1: a zero byte, which no text has.'],
    ['Latin-1', Buffer.from('a: 1\nb: ü\n', 'latin1').toString('utf8'), 'a.yaml:2:4: not UTF-8.'],
    ['brackets without end', '['.repeat(20_000), 'a.yaml has more than 100 levels.'],
    ['keys of keys of keys', '? '.repeat(1_500), 'a.yaml has more than 100 levels.'],
    ['too much', 'a: 1 #'.padEnd(1_000_001, 'x'), 'a.yaml has 1000001 characters.'],
    [
      'aliases that expand to millions',
      Array.from(
        { length: 12 },
        (_, at) =>
          `a${at}: &a${at} [${Array(9)
            .fill(at === 0 ? 'x' : `*a${at - 1}`)
            .join()}]`,
      ).join('\n'),
      'a.yaml has too many aliases.',
    ],
  ])('with %s is refused', (_, text, message) => {
    expect(() => read(text)).toThrow(message);
  });

  it('knows where its values and keys are', () => {
    const text = new YamlText(
      'a.yaml',
      'base: &base\n  deep: { x: 1 }\nlist:\n  - one\n  - <<: [*base]\n    own: 2\nempty:\n',
    );
    expect(text.placeOf([])).toBe('a.yaml:1:1');
    expect(text.placeOf(['list', 0])).toBe('a.yaml:4:5');
    expect(text.placeOf(['list', 1, 'own'])).toBe('a.yaml:6:10');
    expect(text.placeOfKey(['list', 1, 'own'])).toBe('a.yaml:6:5');
    expect(text.placeOf(['list', 1, 'deep', 'x'])).toBe('a.yaml:2:14');
    expect(text.placeOf(['list', 9, 'none'])).toBe('a.yaml:4:3');
    expect(text.placeOf(['empty'])).toBe('a.yaml:7:7');
  });
});
