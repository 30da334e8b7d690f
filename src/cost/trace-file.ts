import { createReadStream } from 'node:fs';
import { stat, readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { setTimeout as sleep } from 'node:timers/promises';
import { type SingleGuest, GUEST_SHARE } from '../guest/index.js';
import { deleteScratch } from '../machine/index.js';
import { machineError } from '../schema/index.js';
import { SEND } from './parts.js';
import { Symbols } from './symbols.js';
import { type Traced, TraceReader } from './trace.js';

const LOOK_MS = 10;
const SETTLE_MS = 500;
/** A guest that executes nothing produces no trace. */
const LIMIT_MS = 60_000;

/**
 * Has QEMU log what the guest executes until the log has this many bytes, and reads the part between whole
 * groups of `marks` marks.
 */
export async function trace(
  guest: SingleGuest,
  reader: TraceReader,
  { bytes, marks }: { readonly bytes: number; readonly marks: number },
): Promise<Traced> {
  const path = join(guest.share, 'trace');
  // Whatever started the load finishes first.
  await sleep(SETTLE_MS);
  await guest.monitor(`logfile ${path}`);
  await guest.monitor('log in_asm,exec,nochain');
  const deadline = performance.now() + LIMIT_MS;
  while ((await sizeOf(path)) < bytes && performance.now() < deadline) await sleep(LOOK_MS);
  await guest.monitor('log none');
  reader.begin(marks);
  for await (const line of createInterface({ input: createReadStream(path, { encoding: 'latin1' }) }))
    reader.line(line);
  await deleteScratch(path);
  const traced = reader.end();
  if (traced.marks > 0) return traced;
  throw machineError(
    'load-failed',
    'QEMU logged no complete request of the load in the guest',
    'Use the QEMU of Debian 12 or later, which logs executed blocks (-d in_asm,exec,nochain).',
  );
}

const sizeOf = async (path: string): Promise<number> => (await stat(path).catch(() => ({ size: 0 }))).size;

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
