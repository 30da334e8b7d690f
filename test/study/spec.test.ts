import { describe, expect, it } from 'vitest';
import {
  BarewireError,
  printObjective,
  printRate,
  YamlText,
  type Objective,
} from '../../src/schema/index.js';
import { preset, resolveSpec } from '../../src/study/index.js';

const resolve = (input: unknown, overrides: Record<string, unknown> = {}) =>
  resolveSpec(input, 'spec.yaml', overrides, () => 7);

function refused(input: unknown, overrides: Record<string, unknown> = {}): BarewireError {
  try {
    resolve(input, overrides);
  } catch (error) {
    if (error instanceof BarewireError) return error;
    throw error;
  }
  throw new Error('The spec was accepted.');
}

const quick = preset('quick');

describe('a spec', () => {
  it('has defaults', () => {
    const study = resolve(quick);
    expect(study).toMatchObject({
      name: 'quick',
      restarts: 8,
      connections: 64,
      seed: 7,
      margin: 0.05,
    });
    expect(study.rates['350B']).toEqual([0.1, 0.3, 0.5].map((ofMax) => ({ kind: 'share', ofMax })));
  });

  it('gives each workload of the article its own rates', () => {
    const full = resolve(preset('machinezone-2015', 18));
    expect(full.rates['350B']).toHaveLength(6);
    expect(full.rates['4KB']?.at(-1)).toEqual({ kind: 'absolute', rps: 250_000 });
    expect(full).toMatchObject({ connections: 60_000, article: 'full' });
  });

  it("scales the article's rates to a smaller machine", () => {
    const scaled = resolve(preset('machinezone-2015', 17));
    expect(scaled.rates['350B']?.at(-1)).toEqual({ kind: 'share', ofMax: 1 });
    expect(scaled).toMatchObject({ connections: 512, article: 'scaled', workloads: ['350B', '4KB'] });
  });

  it('is overridden by the command line', () => {
    expect(resolve(quick, { restarts: 5, networks: ['host', 'macvlan'] })).toMatchObject({
      restarts: 5,
      networks: ['host', 'macvlan'],
    });
  });

  it.each<[string, Objective]>([
    ['max:p99<2ms', [{ kind: 'maximum', limit: { latency: 'p99', limitMs: 2 }, weight: 1 }]],
    ['max: p99.9 < 500us', [{ kind: 'maximum', limit: { latency: 'p99.9', limitMs: 0.5 }, weight: 1 }]],
    ['max:p99.999<=1.5s', [{ kind: 'maximum', limit: { latency: 'p99.999', limitMs: 1_500 }, weight: 1 }]],
    ['max:max<50ms*2', [{ kind: 'maximum', limit: { latency: 'max', limitMs: 50 }, weight: 2 }]],
    ['max', [{ kind: 'maximum', limit: null, weight: 1 }]],
  ])('takes the objective %s, and searches the maximum under it', (text, objective) => {
    expect(resolve({ ...quick, objective: text })).toMatchObject({ maximum: true, objective });
  });

  it('takes several criteria with weights, and searches no maximum for them', () => {
    const study = resolve({ ...quick, objective: 'p99@50%, cpu*0.5,setup' });
    expect(study).toMatchObject({
      maximum: false,
      objective: [
        { kind: 'latency', latency: 'p99', at: { kind: 'share', ofMax: 0.5 }, weight: 1 },
        { kind: 'cpu', at: null, weight: 0.5 },
        { kind: 'setup', weight: 1 },
      ],
    });
    expect(printObjective(study.objective ?? [])).toBe('p99@50%,cpu*0.5,setup');
  });

  it('searches a maximum only on request', () => {
    expect(resolve(quick).maximum).toBe(false);
    expect(resolve(quick, { maximum: true }).maximum).toBe(true);
    expect(resolve(preset('machinezone-2015')).maximum).toBe(true);
  });

  it('refuses a search for the maximum with an external generator', () => {
    const wrk2 = { generator: 'wrk2' };
    expect(resolve(preset('machinezone-2015'), wrk2).maximum).toBe(false);
    expect(refused(quick, { ...wrk2, maximum: true }).message).toMatch(/wrk2 cannot search a maximum/);
    expect(refused(quick, { ...wrk2, objective: 'max:p99<2ms' }).message).toMatch(/wrk2 cannot search/);
  });

  it('takes a precision, which makes a restart of each 22 s of the time', () => {
    const study = resolve({ ...quick, precision: 'p50 3%', time: '10m' });
    expect(study).toMatchObject({ precision: { latency: 'p50', share: 0.03 }, restarts: 27 });
    expect(resolve({ ...quick, time: '20s' }).restarts).toBe(1);
    expect(resolve({ ...quick, time: '2m' }).restarts).toBe(5);
    expect(resolve({ ...quick, time: '10m' }).restarts).toBe(8);
    expect(resolve({ ...quick, rounds: 3 }).restarts).toBe(5);
    expect(refused({ ...quick, precision: 'p50 3' }).message).toMatch(/"p50 3" is not a precision/);
  });

  it('takes every number as text, with units, and ignores keys of its own', () => {
    const study = resolve({
      ...quick,
      'x-common': 5,
      connections: '60k',
      seed: '1e3',
      restarts: '5',
      margin: '5%',
      tailMargin: 0.1,
      ip: '6',
      slice: '4E2ms',
      wire: { rateMbps: '1k', mtu: '1_400' },
      rates: ['5E4', '1e+4', 2e4, '12.5%'],
    });
    expect(study).toMatchObject({
      connections: 60_000,
      seed: 1_000,
      restarts: 5,
      margin: 0.05,
      tailMargin: 0.1,
      ip: 6,
      durationMs: 400,
      wire: { rateMbps: 1_000, mtu: 1_400 },
    });
    expect(study.rates['350B']?.map(printRate)).toEqual(['50000', '10000', '20000', '12.5%']);
    expect(resolve({ ...quick, wire: { rateMbps: null } }).wire.rateMbps).toBeNull();
  });

  it('keeps a given seed', () => {
    expect(resolve({ ...quick, seed: 42 }).seed).toBe(42);
  });
});

describe('a wrong spec is refused with its value, its place and the nearest valid name', () => {
  it.each<[string, unknown, string[]]>([
    ['an unknown key', { ...quick, restrats: 3 }, ['"restrats"', 'spec.yaml', '"restarts"']],
    [
      'an unknown network',
      { ...quick, networks: ['host', 'flannel-vxlna'] },
      ['flannel-vxlna', '"flannel-vxlan"'],
    ],
    ['an unknown workload', { ...quick, workloads: ['350'] }, ['"350"', '"350B"']],
    ['an unknown unit', { ...quick, slice: '3 parsecs' }, ['3 parsecs', 'slice']],
    ['a negative rate', { ...quick, rates: [-5] }, ['rates.0', 'a rate above 0, got -5']],
    ['an absurd rate', { ...quick, rates: ['900M'] }, ['up to 100000000', '"900M"']],
    ['a rate of nothing', { ...quick, rates: [0] }, ['a rate above 0, got 0']],
    ['rates for a workload that there is not', { ...quick, rates: { '5KB': [1] } }, ['"5KB"', 'rates']],
    ['no restart', { ...quick, restarts: 0 }, ['restarts', '0']],
    ['half a restart', { ...quick, restarts: 2.5 }, ['restarts', '2.5']],
    ['a duration too short', { ...quick, slice: '1ms' }, ['"1ms"', 'from 50 ms to 1 h']],
    ['an unknown key of the wire', { ...quick, wire: { mtus: 1 } }, ['wire', 'mtus']],
    ['an MTU that Ethernet does not carry', { ...quick, wire: { mtu: 20 } }, ['wire.mtu', '20']],
    ['an unknown testbed', { ...quick, testbed: 'moon' }, ['testbed', 'moon']],
    ['a name that is no file name', { ...quick, name: '../x' }, ['name', '../x']],
    [
      'an objective of an unknown quantile',
      { ...quick, objective: 'max:p98<2ms' },
      ['"max:p98<2ms"', 'spec.yaml', '"max:p9'],
    ],
    ['an objective of an unknown unit', { ...quick, objective: 'max:p99<2mss' }, ['"max:p99<2ms"']],
    ['an objective without a unit', { ...quick, objective: 'max:p99<2' }, ['"max:p99<2ms"']],
    ['an objective of nothing', { ...quick, objective: 'max:p99<0ms' }, ['"max:p99<2ms"']],
    ['the limit of earlier versions', { ...quick, objective: 'p99<2ms' }, ['"p99<2ms"', '"max:p99<2ms"']],
    ['an objective that is none', { ...quick, objective: 'fast' }, ['"fast"', 'p99@50%']],
    ['an objective of an unknown criterion', { ...quick, objective: 'p99,stup' }, ['"p99,stup"', '"setup"']],
    ['a weight of nothing', { ...quick, objective: 'cpu*0' }, ['"cpu*0"', '"cpu*2"']],
    ['two maxima', { ...quick, objective: 'max,max:p99<2ms' }, ['is not an objective']],
    [
      'an objective of a rate that is not measured',
      { ...quick, objective: 'p99@40%' },
      ['p99@40%', '10%, 30%, 50%'],
    ],
    ['an objective that is a number', { ...quick, objective: 2 }, ['objective', '2']],
    ['one rate that is no list', { ...quick, rates: '20k' }, ['"20k"', 'Write rates: [20k].']],
    ['one network that is no list', { ...quick, networks: 'host' }, ['Write networks: [host].']],
    ['no rates', { networks: ['host'] }, ['the key rates is missing', 'Add rates: [20k, 30%]']],
    ['an ambiguous rate', { ...quick, rates: ['50.000'] }, ['which is 50 or 50000']],
    ['an ambiguous number', { ...quick, connections: '1.000' }, ['which is 1 or 1000']],
    ['a number of many dots', { ...quick, slice: '1.2.3s' }, ['slice must be a duration', '"1.2.3s"']],
    ['a number that is a list', { ...quick, connections: [64] }, ['connections', '[64]']],
    ['a rate in an object', { ...quick, rates: { '350B': [{ rps: 5 }] } }, ['rates.350B.0', '{"rps":5}']],
    ['IP of another version', { ...quick, ip: 5 }, ['ip must be 4 or 6, got 5']],
    ['a share above 100 %', { ...quick, margin: '120%' }, ['margin', '"120%"', 'Write 5% or 0.05.']],
    ['a maximum that is no yes or no', { ...quick, maximum: 'yes' }, ['maximum', '"yes"']],
    ['a list', [1, 2], ['spec.yaml', 'not a spec']],
    ['nothing', null, ['spec.yaml', 'not a spec']],
  ])('%s', (_, input, parts) => {
    const error = refused(input);
    expect(error).toMatchObject({ code: 'bad-input', fault: 'user' });
    for (const part of parts) expect(`${error.message} ${error.hint ?? ''}`).toContain(part);
  });

  it('an unknown preset, with the nearest one', () => {
    expect(() => preset('quik')).toThrow(/Unknown preset or file "quik"/);
    expect(() => preset('toString')).toThrow(BarewireError);
  });
});

describe('a wrong value is named where its user wrote it', () => {
  const SPEC = [
    'x-hosts: &hosts',
    '  wire: { mtu: 9000 }',
    '  connections: many',
    'networks:',
    '  - host',
    '  - flanel',
    'rates: { 350B: [10%, 50.000] }',
    'objective: p98',
    'restrats: 3',
  ];
  const place = (lines: readonly string[], overrides: Record<string, unknown> = {}): string => {
    const text = new YamlText('my.yaml', lines.join('\n'));
    try {
      resolveSpec(text.value, { name: 'my.yaml', text }, overrides, () => 7);
    } catch (error) {
      return (error as Error).message;
    }
    return 'accepted';
  };
  const without = (...numbers: number[]): string[] => SPEC.filter((_, at) => !numbers.includes(at + 1));

  it.each<[string, string[], string]>([
    ['an unknown key', SPEC, 'my.yaml:9:1: unknown key "restrats".'],
    ['an item of a list', without(9), 'my.yaml:6:5: networks.1: the testbed netns has no network "flanel".'],
    [
      'a rate as it is spelt',
      without(6, 8, 9),
      'my.yaml:6:22: rates.350B.1 must be a rate above 0, got "50.000", which is 50 or 50000.',
    ],
    [
      'a value of a merged key',
      ['x-hosts: &hosts', '  connections: many', '<<: *hosts', 'networks: [host]', 'rates: [5k]'],
      'my.yaml:2:16: connections must be a whole number from 1 to 1000000, got "many".',
    ],
    ['a missing key', ['networks: [host]'], 'my.yaml:1:1: the key rates is missing.'],
    [
      'a value that is empty',
      ['networks: [host]', 'rates:'],
      'my.yaml:2:7: rates must be a list of rates, or such a list for each workload, got null.',
    ],
    [
      'an unknown key of the wire',
      ['networks: [host]', 'rates: [5k]', 'wire:', '  mtus: 5'],
      'my.yaml:4:9: wire.mtus: unknown key "mtus".',
    ],
  ])('%s', (_, lines, message) => {
    expect(place(lines)).toBe(message);
  });

  it('an objective, and an option that replaces it', () => {
    const spec = ['networks: [host]', 'rates: [5k]', 'objective: p98'];
    expect(place(spec)).toBe('my.yaml:3:12: objective: "p98" is not an objective.');
    expect(place(spec, { objective: 'p97' })).toBe('--objective: "p97" is not an objective.');
    expect(place(spec, { objective: 'p99', rates: ['10k', '5x'] })).toBe(
      '--rates must be a rate above 0, got "5x".',
    );
  });
});
