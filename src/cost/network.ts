import { findNetwork } from '../network/index.js';
import { BarewireError, type Finding } from '../schema/index.js';
import type { SingleGuest } from '../guest/index.js';
import { minimumRequests, measureCell, type CellPlan } from './cell.js';
import type { BareNetwork } from './difference.js';
import { readSymbols, type SymbolReader } from './symbol-reader.js';
import { checkCarried } from './path.js';
import type { OnCostEvent } from './progress.js';
import { DOWN, shellScriptOf } from './shell-script.js';
import type { TraceReader } from './trace.js';

export interface NetworkCostRequest {
  readonly cells: readonly CellPlan[];
  readonly onEvent: OnCostEvent;
}

/** Measures one network. A failure of this network alone becomes its status. */
export async function measureNetwork(
  guest: SingleGuest,
  { reader }: SymbolReader,
  name: string,
  request: NetworkCostRequest,
): Promise<BareNetwork> {
  const { what, requires } = findNetwork(name);
  const place = requires.find((each) => each.kind === 'platform');
  const none = (status: 'unsupported' | 'failed', finding: Finding): BareNetwork => {
    request.onEvent({ kind: 'unmeasured', kernel: guest.kernel, network: name, finding });
    return { name, what, status, finding, cells: [] };
  };
  if (place !== undefined) return none('unsupported', { code: 'platform-missing', platform: place.name });
  request.onEvent({ kind: 'started', kernel: guest.kernel, network: name });
  const lacks = (await guest.run(shellScriptOf(name).lacks)).trim();
  if (lacks !== '') return none('unsupported', { code: 'kernel-features-missing', names: lacks.split('\n') });
  try {
    return {
      name,
      what,
      status: 'measured',
      finding: null,
      cells: await measureCells(guest, reader, name, request),
    };
  } catch (error) {
    if (!(error instanceof BarewireError) || !OF_NETWORK.has(error.code)) throw error;
    return none('failed', { code: 'slice-failed', error: error.code, message: error.message });
  }
}

/** Errors that end the measurement of one network and not the run. */
const OF_NETWORK = new Set<string>(['step-failed', 'path-check-failed', 'load-failed']);

async function measureCells(
  guest: SingleGuest,
  reader: TraceReader,
  name: string,
  { cells, onEvent }: NetworkCostRequest,
): Promise<BareNetwork['cells']> {
  try {
    const said = await guest.run(shellScriptOf(name).introduce);
    const scene = shellScriptOf(name, said.trim() === '' ? [] : said.trim().split('\n'));
    await guest.run(scene.up);
    const lens = { reader, symbols: await readSymbols(guest) };
    const measured: BareNetwork['cells'][number][] = [];
    for (const plan of cells) {
      const cell = await measureCell(guest, scene, lens, plan);
      measured.push(cell);
      onEvent({ kind: 'measured', kernel: guest.kernel, network: name, cell: { ...cell, difference: null } });
    }
    const requests = cells.reduce((sum, plan) => sum + minimumRequests(plan), 0);
    checkCarried(scene, name, await guest.run(scene.counters), requests);
    return measured;
  } finally {
    await guest.run(DOWN);
  }
}
