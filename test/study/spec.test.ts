import { describe, expect, it } from 'vitest';
import { BarewireError, printObjective, type Objective } from '../../src/schema/index.js';
import { parseDurationMs, parseRate, preset, resolveSpec } from '../../src/study/index.js';

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
    ['a negative rate', { ...quick, rates: [-5] }, ['"-5"', 'not a rate']],
    ['an absurd rate', { ...quick, rates: ['900M'] }, ['"900M"', 'not a rate']],
    ['a rate of nothing', { ...quick, rates: [0] }, ['"0"', 'not a rate']],
    ['rates for a workload that there is not', { ...quick, rates: { '5KB': [1] } }, ['"5KB"', 'rates']],
    ['no restart', { ...quick, restarts: 0 }, ['restarts', '0']],
    ['half a restart', { ...quick, restarts: 2.5 }, ['restarts', '2.5']],
    ['a duration too short', { ...quick, slice: '1ms' }, ['1ms', 'outside']],
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

describe('a quantity', () => {
  it.each([
    ['50000', { kind: 'absolute', rps: 50_000 }],
    ['50k', { kind: 'absolute', rps: 50_000 }],
    ['50k/s', { kind: 'absolute', rps: 50_000 }],
    ['0.5M', { kind: 'absolute', rps: 500_000 }],
    ['1_000', { kind: 'absolute', rps: 1_000 }],
    ['30%', { kind: 'share', ofMax: 0.3 }],
    ['300%', null],
    ['50kk', null],
    ['fast', null],
    ['-1', null],
    ['', null],
  ])('the rate %j', (text, rate) => {
    expect(parseRate(text)).toEqual(rate);
  });

  it.each([
    ['3', 3_000],
    ['3s', 3_000],
    ['250ms', 250],
    ['2m', 120_000],
    ['1.5s', 1_500],
    ['3 parsecs', null],
    ['-3s', null],
  ])('the duration %j', (text, ms) => {
    expect(parseDurationMs(text)).toBe(ms);
  });
});
