import { findNetwork } from '../network/index.js';
import { BarewireError } from '../schema/index.js';
import type { LoneGuest } from '../testbed/index.js';
import { leastRequests, measureCell, type CellPlan } from './cell.js';
import type { BareNetwork } from './difference.js';
import { readSymbols, type Lens } from './lens.js';
import { checkCarried } from './path.js';
import type { OnCostEvent } from './progress.js';
import { DOWN, sceneOf } from './scene.js';
import type { TraceReader } from './trace.js';

export interface NetworkRequest {
  readonly cells: readonly CellPlan[];
  readonly onEvent: OnCostEvent;
}

/** Measures one network; what ends its measurement alone is its status. */
export async function measureNetwork(
  guest: LoneGuest,
  { reader }: Lens,
  name: string,
  request: NetworkRequest,
): Promise<BareNetwork> {
  const { what, requires } = findNetwork(name);
  const place = requires.find((each) => each.kind === 'place');
  const none = (status: 'unsupported' | 'failed', reason: string): BareNetwork => {
    request.onEvent({ kind: 'unmeasured', kernel: guest.kernel, network: name, reason });
    return { name, what, status, reason, cells: [] };
  };
  if (place !== undefined) return none('unsupported', `the guest does not stand in ${place.name}`);
  request.onEvent({ kind: 'started', kernel: guest.kernel, network: name });
  const lacks = (await guest.run(sceneOf(name).lacks)).trim().split('\n').join(', ');
  if (lacks !== '') return none('unsupported', `the guest's kernel has no ${lacks}`);
  try {
    return {
      name,
      what,
      status: 'measured',
      reason: null,
      cells: await measureCells(guest, reader, name, request),
    };
  } catch (error) {
    if (!(error instanceof BarewireError) || !OF_NETWORK.has(error.code)) throw error;
    return none('failed', error.message);
  }
}

/** What ends one network's measurement and not the run. */
const OF_NETWORK = new Set<string>(['step-failed', 'path-check-failed', 'load-failed']);

async function measureCells(
  guest: LoneGuest,
  reader: TraceReader,
  name: string,
  { cells, onEvent }: NetworkRequest,
): Promise<BareNetwork['cells']> {
  try {
    const said = await guest.run(sceneOf(name).introduce);
    const scene = sceneOf(name, said.trim() === '' ? [] : said.trim().split('\n'));
    await guest.run(scene.up);
    const lens = { reader, symbols: await readSymbols(guest) };
    const measured: BareNetwork['cells'][number][] = [];
    for (const plan of cells) {
      const cell = await measureCell(guest, scene, lens, plan);
      measured.push(cell);
      onEvent({ kind: 'measured', kernel: guest.kernel, network: name, cell: { ...cell, difference: null } });
    }
    const requests = cells.reduce((sum, plan) => sum + leastRequests(plan), 0);
    checkCarried(scene, name, await guest.run(scene.counters), requests);
    return measured;
  } finally {
    await guest.run(DOWN);
  }
}
