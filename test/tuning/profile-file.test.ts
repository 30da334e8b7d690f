import { describe, expect, test } from 'vitest';
import { BarewireError } from '../../src/schema/index.js';
import { resolveProfile, type Profile } from '../../src/tuning/index.js';

/** Resolves the first of some files, by path. */
function resolve(files: Readonly<Record<string, string>>): Profile {
  const [first = ''] = Object.keys(files);
  return resolveProfile(first, (path) => {
    const text = files[path];
    if (text === undefined) throw new Error(`no ${path}`);
    return text;
  });
}

function refusal(files: Readonly<Record<string, string>>): BarewireError {
  try {
    resolve(files);
  } catch (error) {
    if (error instanceof BarewireError) return error;
    throw error;
  }
  throw new Error('was accepted');
}

describe('a profile of a file', () => {
  test('extends a profile, omits knobs, and changes values', () => {
    const { name, knobs } = resolve({
      'my/quick.yaml':
        'extends: latency\nknobs:\n  swappiness: off\n  rps: 1-3,2\n  busy-poll: 100\n  tcp-tw-reuse: on\n',
    });
    expect(name).toBe('quick');
    expect(knobs['swappiness']).toBeUndefined();
    expect(knobs).toMatchObject({ rps: ['1-3'], 'busy-poll': [100], 'tcp-tw-reuse': [1], xps: ['closest'] });
  });

  test('keeps several values for an ablation', () => {
    expect(resolve({ 'a.yaml': 'knobs: { congestion-control: [cubic, bbr] }' }).knobs).toEqual({
      'congestion-control': ['cubic', 'bbr'],
    });
  });

  test('switches a feature off, and omits one that is unchanged', () => {
    expect(resolve({ 'a.yaml': 'knobs: { gro: off, tso: false, gso: unchanged }' }).knobs).toEqual({
      gro: ['off'],
      tso: ['off'],
    });
  });

  test('extends a file beside it', () => {
    const files = {
      'p/a.yaml': 'extends: ./base.yaml\nknobs: { thp: always }',
      'p/base.yaml': 'knobs: { thp: never, swappiness: 1 }',
    };
    expect(resolve(files).knobs).toEqual({ thp: ['always'], swappiness: [1] });
  });

  test.each([
    [
      'an unknown knob',
      'knobs:\n  swapiness: 10\n',
      'a.yaml:2:3: unknown knob "swapiness".',
      /Did you mean "swappiness"\?/,
    ],
    [
      'a value out of range',
      'knobs:\n  swappiness: 300\n',
      'a.yaml:2:15: swappiness does not take 300.',
      /^Write 0 to 200/,
    ],
    [
      'a value of another kind',
      'knobs: { thp: sometimes }',
      'a.yaml:1:15: thp does not take "sometimes".',
      /^Write never or madvise or always/,
    ],
    [
      'a knob without a usual value',
      'knobs: { congestion-control: on }',
      'a.yaml:1:30: congestion-control has no usual value.',
      /cubic/,
    ],
    ['an empty list', 'knobs: { rps: [] }', 'a.yaml:1:15: rps has an empty list.', /Write off/],
    [
      'a list of CPUs that is none',
      'knobs: { rps: 8-1 }',
      'a.yaml:1:15: rps does not take "8-1".',
      /a list of CPUs/,
    ],
    [
      'an unknown key',
      'extends: none\nknob: {}\n',
      'a.yaml:2:1: unknown key "knob".',
      /Did you mean "knobs"\?/,
    ],
    [
      'a profile that does not exist',
      'extends: latencies',
      'a.yaml:1:10: unknown profile "latencies".',
      /Did you mean "latency"\?/,
    ],
    ['a text that is not YAML', 'knobs: {', 'a.yaml:1:9: not YAML', /JSON/],
    [
      'a key that is given twice',
      'knobs: { thp: never, thp: always }',
      'a.yaml:1:22: the key is there twice.',
      /Remove one/,
    ],
    ['a list', '- latency', 'a.yaml:1:1: a profile has keys and values.', /Keys: name/],
    ['an empty file', '', 'a.yaml:1:1: a profile has keys and values.', /Keys: name/],
    ['knobs that are a list', 'knobs: [rps]', 'a.yaml:1:8: knobs must be keys and values.', /Write knobs/],
  ])('with %s is refused', (_, text, message, hint) => {
    const error = refusal({ 'a.yaml': text });
    expect(error.message).toContain(message);
    expect(error.hint).toMatch(hint);
    expect(error.fault).toBe('user');
  });

  test('that extends itself over others is refused', () => {
    const files = { 'a.yaml': 'extends: x/../b.yaml', 'b.yaml': 'extends: ./a.yaml' };
    expect(refusal(files).message).toBe('The profile a.yaml extends itself: a.yaml → b.yaml → a.yaml.');
  });
});

test('a profile that does not exist is refused with the nearest name', () => {
  expect(() => resolveProfile('latncy', () => '')).toThrow('unknown profile "latncy"');
});
