import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { machineError } from '../schema/index.js';
import { GUEST_SHARE, type SingleGuest } from '../guest/index.js';
import { SEND } from './parts.js';
import { Symbols } from './symbols.js';
import { TraceReader } from './trace.js';

/** Reads traces of a guest. */
export interface SymbolReader {
  readonly symbols: Symbols;
  readonly reader: TraceReader;
}

/**
 * Modules are loaded with the first network that needs them, so their functions are read when it is set up.
 */
export async function openSymbolReader(guest: SingleGuest): Promise<SymbolReader> {
  const symbols = await readSymbols(guest);
  const mark = symbols.startOf(SEND);
  if (mark !== null) return { symbols, reader: new TraceReader(mark) };
  throw machineError(
    'missing-kernel-feature',
    `The guest's kernel ${guest.kernel} does not list its function ${SEND}`,
    'Use a kernel with CONFIG_KALLSYMS: --kernel.',
  );
}

export async function readSymbols(guest: SingleGuest): Promise<Symbols> {
  await guest.run(`cat /proc/kallsyms > ${GUEST_SHARE}/kallsyms`);
  return Symbols.parse(await readFile(join(guest.share, 'kallsyms'), 'latin1'));
}
