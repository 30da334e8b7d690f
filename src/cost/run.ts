import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import {
  freshRunId,
  lockMachine,
  openJournals,
  openMachine,
  undoAll,
  type Machine,
} from '../machine/index.js';
import { findNetwork, REFERENCE } from '../network/index.js';
import { BarewireError, type Cost, type KernelCost } from '../schema/index.js';
import { bootLoneGuest, GUEST_SHARE, type LoneGuest } from '../testbed/index.js';
import { leastRequests, measureCell, type CellPlan, type Lens } from './cell.js';
import { againstReference, type BareNetwork } from './difference.js';
import { SEND } from './parts.js';
import { checkCarried } from './path.js';
import type { OnCostEvent } from './progress.js';
import { sceneOf } from './scene.js';
import { Symbols } from './symbols.js';
import { TraceReader } from './trace.js';
import { warningsOf } from './warnings.js';

export interface CostRequest {
  /** Catalog names; the reference is measured in any case. */
  readonly networks: readonly string[];
  readonly cells: readonly CellPlan[];
  /** bzImages, one guest each; null takes this machine's own kernel where it will do, else Debian's. */
  readonly kernels: readonly (string | null)[];
  readonly version: string;
  readonly signal: AbortSignal;
  readonly onEvent: OnCostEvent;
}

/** Measures every network in a guest for each kernel, all guests at once. The guests are gone before this returns or throws. */
export async function measureCost(request: CostRequest): Promise<Cost> {
  const startedAt = new Date().toISOString();
  const started = performance.now();
  await using _lock = await lockMachine('cost');
  await restore(request.onEvent);
  const run = freshRunId();
  await using machine = await openMachine({ run, host: 'cost', netns: null });
  const programs = await versions(machine);
  const kernels = await Promise.all(
    request.kernels.map((kernel, at) => inGuest(machine, run, `guest${at + 1}`, kernel, request)),
  );
  return {
    schema: 1,
    version: request.version,
    startedAt,
    wallS: (performance.now() - started) / 1_000,
    reference: REFERENCE,
    ...programs,
    warnings: warningsOf(kernels),
    kernels,
  };
}

/** A crash may have left journals. */
async function restore(onEvent: OnCostEvent): Promise<void> {
  if ((await openJournals()).length === 0) return;
  const undone = await undoAll();
  const steps = undone.reduce((sum, each) => sum + each.steps, 0);
  onEvent({ kind: 'restored', hosts: undone.map(({ host }) => host), steps });
}

async function versions(machine: Machine): Promise<Pick<Cost, 'client' | 'server' | 'emulator'>> {
  const first = async (argv: readonly string[]): Promise<string> => {
    const { stdout, stderr } = await machine.run(argv);
    return `${stdout}${stderr}`.split('\n')[0]?.trim() ?? '';
  };
  return {
    client: await first(['h2load', '--version']),
    server: (await first(['nginx', '-v'])).replace('nginx version: ', ''),
    emulator: await first(['qemu-system-x86_64', '--version']),
  };
}

async function inGuest(
  machine: Machine,
  run: string,
  name: string,
  kernel: string | null,
  request: CostRequest,
): Promise<KernelCost> {
  const { signal, onEvent } = request;
  onEvent({ kind: 'booting', kernel });
  const started = performance.now();
  await using guest = await bootLoneGuest(machine, { run, name, kernel, signal });
  onEvent({ kind: 'booted', kernel: guest.kernel, ms: performance.now() - started });
  const names = [REFERENCE, ...request.networks.filter((each) => each !== REFERENCE)];
  const lens = await openLens(guest);
  const networks: BareNetwork[] = [];
  for (const each of names) networks.push(await measureNetwork(guest, lens, each, request));
  return { kernel: guest.kernel, networks: againstReference(networks, REFERENCE) };
}

/** Drivers that are modules are loaded with the first network that needs them: their functions are read when it stands. */
async function openLens(guest: LoneGuest): Promise<Lens> {
  const symbols = await readSymbols(guest);
  const mark = symbols.startOf(SEND);
  if (mark !== null) return { symbols, reader: new TraceReader(mark) };
  throw new BarewireError(`The guest's kernel ${guest.kernel} does not name its function ${SEND}`, {
    code: 'missing-kernel-feature',
    fault: 'machine',
    hint: 'It needs CONFIG_KALLSYMS; name another kernel by --kernel.',
  });
}

async function readSymbols(guest: LoneGuest): Promise<Symbols> {
  await guest.run(`cat /proc/kallsyms > ${GUEST_SHARE}/kallsyms`);
  return Symbols.parse(await readFile(join(guest.share, 'kallsyms'), 'latin1'));
}

async function measureNetwork(
  guest: LoneGuest,
  { reader }: Lens,
  name: string,
  request: CostRequest,
): Promise<BareNetwork> {
  const { what, requires } = findNetwork(name);
  const place = requires.find((each) => each.kind === 'place');
  const none = (status: 'unsupported' | 'failed', reason: string): BareNetwork => {
    request.onEvent({ kind: 'unmeasured', kernel: guest.kernel, network: name, reason });
    return { name, what, status, reason, cells: [] };
  };
  if (place !== undefined) return none('unsupported', `the guest does not stand in ${place.name}`);
  request.onEvent({ kind: 'started', kernel: guest.kernel, network: name });
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
  { cells, onEvent }: CostRequest,
): Promise<BareNetwork['cells']> {
  const scene = sceneOf(name);
  try {
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
    await guest.run(scene.down);
  }
}
