/** The two forms in which the kernel prints sets of CPUs: lists (`0-8,18-26`) and masks (`0000000f,f803fe00`). */

/** Parses a list of CPUs, `0-3,8` or `0-6:2/4` (the kernel's groups); null for any other text. An empty text is no CPU. */
export function parseCpuList(text: string): number[] | null {
  const cpus = new Set<number>();
  for (const part of text
    .trim()
    .split(',')
    .filter((piece) => piece.trim() !== '')) {
    const match = /^\s*(\d{1,5})(?:-(\d{1,5})(?::(\d{1,5})\/(\d{1,5}))?)?\s*$/.exec(part);
    if (match === null) return null;
    const number = (at: number, otherwise: number): number =>
      match[at] === undefined ? otherwise : Number(match[at]);
    const first = number(1, 0);
    const last = number(2, first);
    const used = number(3, 1);
    const group = number(4, 1);
    if (last < first || used > group || group === 0) return null;
    for (let cpu = first; cpu <= last; cpu++) if ((cpu - first) % group < used) cpus.add(cpu);
  }
  return sorted(cpus);
}

/** `0-8,18-26`; an empty text without CPUs. */
export function printCpuList(cpus: Iterable<number>): string {
  const ranges: [number, number][] = [];
  for (const cpu of sorted(cpus)) {
    const range = ranges.at(-1);
    if (range?.[1] === cpu - 1) range[1] = cpu;
    else ranges.push([cpu, cpu]);
  }
  return ranges.map(([first, last]) => (first === last ? `${first}` : `${first}-${last}`)).join(',');
}

/** Parses words of 32 bits in hexadecimal, the greatest first: `0000000f,f803fe00`; null for any other text. */
export function parseCpuMask(text: string): number[] | null {
  const words = text.trim().split(',');
  if (!words.every((word) => /^[0-9a-fA-F]{1,8}$/.test(word))) return null;
  return words
    .toReversed()
    .flatMap((word, at) => Array.from({ length: 32 }, (_, bit) => ({ word: parseInt(word, 16), bit, at })))
    .filter(({ word, bit }) => ((word >>> bit) & 1) === 1)
    .map(({ bit, at }) => at * 32 + bit);
}

/**
 * Prints a mask as sysfs wants it: on a machine with up to 32 CPUs one word, and otherwise as many words of eight digits as all CPUs
 * need.
 *
 * @param cpuCount the machine's CPUs, offline ones included
 */
export function printCpuMask(cpus: Iterable<number>, cpuCount: number): string {
  const set = sorted(cpus);
  const words = new Uint32Array(Math.ceil(Math.max(cpuCount, (set.at(-1) ?? 0) + 1, 1) / 32));
  for (const cpu of set) {
    const at = Math.floor(cpu / 32);
    words[at] = ((words[at] ?? 0) | (1 << (cpu % 32))) >>> 0;
  }
  const digits = words.length === 1 ? 1 : 8;
  return [...words]
    .toReversed()
    .map((word) => word.toString(16).padStart(digits, '0'))
    .join(',');
}

const sorted = (cpus: Iterable<number>): number[] => [...new Set(cpus)].sort((one, other) => one - other);
