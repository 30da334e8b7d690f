import { parseCpuList, printCpuList, wholeQuantity } from '../schema/index.js';
import type { KnobValues } from './types.js';

/** Whole numbers of a range. */
export const wholeRange = (least: number, most: number, on: number): KnobValues => ({
  usage: `${least} to ${most}`,
  on,
  parse: (value) => {
    const read = wholeQuantity(least, most)(value);
    return 'value' in read ? read.value : null;
  },
});

/** One of some names. The first is what `on` means. */
export const choice = (...names: readonly [string, ...string[]]): KnobValues => ({
  usage: names.join(' or '),
  on: names[0],
  parse: (value) => names.find((name) => name === value) ?? null,
});

/** One of some rules, or a list of CPUs: `1-8,10-17`. */
export const cpuRule = (...rules: readonly [string, ...string[]]): KnobValues => ({
  usage: `${rules.join(' or ')}, or a list of CPUs`,
  on: rules[0],
  parse: (value) => {
    const rule = rules.find((name) => name === value);
    if (rule !== undefined) return rule;
    const cpus = parseCpuList(String(value));
    return cpus === null || cpus.length === 0 ? null : printCpuList(cpus);
  },
});

/** A rule that has a name, or a whole number. */
export const ruleOrWhole = (rule: string, least: number, most: number): KnobValues => ({
  usage: `${rule}, or ${least} to ${most}`,
  on: rule,
  parse: (value) => (value === rule ? rule : wholeRange(least, most, least).parse(value)),
});

/** A name that the kernel knows. */
export const kernelName = (example: string): KnobValues => ({
  usage: `a name: ${example}`,
  on: null,
  parse: (value) => (typeof value === 'string' && /^[a-z][a-z0-9_-]{0,30}$/.test(value) ? value : null),
});

/** A queueing discipline with its parameters. */
export const queueing: KnobValues = {
  usage: 'a queueing discipline: fq, fq_codel, pfifo_fast, netem delay 1ms',
  on: null,
  parse: (value) =>
    typeof value === 'string' && /^[a-z][a-z_]*(?: [\w.%]+)*$/.test(value.trim()) ? value.trim() : null,
};

/** The first and the last port. */
export const portRange = (on: string): KnobValues => ({
  usage: `two ports: ${on}`,
  on,
  parse: (value) => {
    const [first, last] = (/^(\d{1,5})[\s-]+(\d{1,5})$/.exec(String(value).trim()) ?? [])
      .slice(1)
      .map(Number);
    if (first === undefined || last === undefined) return null;
    return first >= 1 && last > first && last <= 65_535 ? `${first} ${last}` : null;
  },
});

/** A feature of a device. Here `off` is a value. */
export const feature: KnobValues = {
  usage: 'on or off',
  on: 'on',
  parse: (value) => (value === 'on' || value === 'off' ? value : null),
};
