import type * as z from 'zod';
import { machineError } from '../schema/index.js';

/**
 * Parses what `ip -j` prints. iproute2 prints an empty object for each entry that a filter excludes, and some versions print
 * nothing for an empty list: entries without the key that names them are left out.
 *
 * @throws BarewireError `host-unsupported` for another form
 */
export function parseIpJson<T>(text: string, schema: z.ZodType<T>, key: string): T[] {
  const entries: unknown[] = [];
  try {
    const parsed: unknown = text.trim() === '' ? [] : JSON.parse(text);
    entries.push(...(parsed as unknown[]));
  } catch (error) {
    throw notJson(text, error);
  }
  const named = entries.filter((entry) => typeof entry === 'object' && entry !== null && key in entry);
  return named.map((entry) => {
    const parsed = schema.safeParse(entry);
    if (parsed.success) return parsed.data;
    throw notJson(JSON.stringify(entry), parsed.error);
  });
}

const notJson = (text: string, cause: unknown) =>
  machineError(
    'host-unsupported',
    `iproute2 printed what this Barewire does not read: ${text.trim().slice(0, 200)}`,
    'Install iproute2 4.20 or later.',
    cause,
  );
