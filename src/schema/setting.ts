import { parseCpuList } from './cpu-set.js';

/** A file of the kernel that holds one setting, in /proc/sys, /proc/irq or /sys. */
export const SETTING_PATH = /^\/(?:proc\/sys|proc\/irq|sys)(?:\/(?!\.{1,2}(?:\/|$))[^/]+)+$/;

/**
 * The value that writing restores: of a choice (`always [madvise] never`) the chosen word, otherwise the text
 * without its end of line.
 */
export const writableSetting = (text: string): string =>
  /\[(?<chosen>[^\]]+)\]/.exec(text)?.groups?.['chosen'] ?? text.trim();

/**
 * The form in which two texts of a setting are compared: the kernel prints masks with leading zeros and commas, lists
 * with their own order, several numbers with tabs, and all choices.
 */
export function normalizeSetting(path: string, text: string): string {
  const value = writableSetting(text).split(/\s+/).join(' ');
  if (/(?:_cpus|_mask|_rxqs|smp_affinity)$/.test(path) && /^[\da-f,]+$/i.test(value))
    return value
      .toLowerCase()
      .split(',')
      .map((chunk, index) => (index === 0 ? chunk : chunk.padStart(8, '0')))
      .join('')
      .replace(/^0+(?=.)/, '');
  if (path.endsWith('_list')) return parseCpuList(value)?.join(',') ?? value;
  return value;
}
