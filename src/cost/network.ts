import * as z from 'zod';
import type { SingleGuest } from '../guest/index.js';
import type { UndoneJournal } from '../machine/index.js';
import { findNetwork } from '../network/index.js';
import {
  BarewireError,
  type Finding,
  type CostCell,
  type WorkloadName,
  machineError,
  networkOfArm,
} from '../schema/index.js';
import type { CostArm } from './ablation.js';
import type { BareNetwork } from './warnings.js';
import { partsOf, SENDS_A_REQUEST } from './parts.js';
import { DOWN, shellScriptOf, type ShellScript } from './shell-script.js';
import { readLoadRun, summarizeRepeats, slopes, MAX_REPEAT_SPREAD, type LoadRun } from './slope.js';
import { readSymbols, type SymbolReader, trace } from './trace-file.js';
import type { TraceReader } from './trace.js';

export interface NetworkCostRequest {
  readonly cells: readonly CellPlan[];
  readonly onEvent: OnCostEvent;
}

/** Measures one network. A failure of this network alone becomes its status. */
export async function measureNetwork(
  guest: SingleGuest,
  { reader }: SymbolReader,
  arm: CostArm,
  request: NetworkCostRequest,
): Promise<BareNetwork> {
  const { name } = arm;
  const { what, caveat } = findNetwork(networkOfArm(name));
  const none = (status: 'unsupported' | 'failed', finding: Finding): BareNetwork => {
    request.onEvent({ kind: 'unmeasured', kernel: guest.kernel, network: name, finding });
    return { name, what, status, finding, cells: [] };
  };
  request.onEvent({ kind: 'started', kernel: guest.kernel, network: name });
  const lacks = (await guest.run(shellScriptOf(arm).lacks)).trim();
  if (lacks !== '') return none('unsupported', { code: 'kernel-features-missing', names: lacks.split('\n') });
  try {
    return {
      name,
      what,
      status: 'measured',
      finding: null,
      ...(caveat !== undefined && { caveat }),
      cells: await measureCells(guest, reader, arm, request),
    };
  } catch (error) {
    if (!(error instanceof BarewireError) || !OF_NETWORK.has(error.code)) throw error;
    return none('failed', { code: 'slice-failed', error: error.code, message: error.message });
  }
}

/** Errors that end the measurement of one network and not the run. */
const OF_NETWORK = new Set<string>(['step-failed', 'path-check-failed', 'load-failed']);

/** Sets the network of an arm up, and returns its script with the keys of the hosts. */
async function setUp(guest: SingleGuest, arm: CostArm): Promise<ShellScript> {
  const output = await guest.run(shellScriptOf(arm).introduce);
  const script = shellScriptOf(arm, output.trim() === '' ? [] : output.trim().split('\n'));
  await guest.run(script.up);
  return script;
}

/** Loads the modules of an arm, which stay and cost instructions in every later one. What fails fails again when the arm is counted. */
export async function loadModules(guest: SingleGuest, arm: CostArm): Promise<void> {
  try {
    await setUp(guest, arm);
  } catch (error) {
    if (!(error instanceof BarewireError) || !OF_NETWORK.has(error.code)) throw error;
  } finally {
    await guest.run(DOWN);
  }
}

async function measureCells(
  guest: SingleGuest,
  reader: TraceReader,
  arm: CostArm,
  { cells, onEvent }: NetworkCostRequest,
): Promise<BareNetwork['cells']> {
  const { name } = arm;
  try {
    const script = await setUp(guest, arm);
    const symbolReader = { reader, symbols: await readSymbols(guest) };
    const measured: BareNetwork['cells'][number][] = [];
    for (const plan of cells) {
      const cell = await measureCell(guest, script, symbolReader, plan);
      measured.push(cell);
      onEvent({ kind: 'measured', kernel: guest.kernel, network: name, cell: { ...cell, difference: null } });
    }
    // The least number of requests of a cell over the current network.
    const requests = cells.reduce(
      (sum, plan) =>
        sum + plan.repeats * (requestsOf(FEW, plan.connections) + requestsOf(MANY, plan.connections)),
      0,
    );
    checkCarried(script, name, await guest.run(script.counters), requests);
    return measured;
  } finally {
    await guest.run(DOWN);
  }
}

export interface CellPlan {
  readonly workload: WorkloadName;
  readonly connections: number;
  readonly repeats: number;
}

/** Requests of the short and of the long run: per connection, and at least. */
const FEW = { each: 10, least: 300 };
const MANY = { each: 60, least: 3_000 };
/** Never completed: the client is stopped when the trace is long enough. */
const TRACED_LOAD = 1_000_000;
const TRACED = { each: 3, least: 160 };
/** The size of QEMU's log, with a margin because both ends are cut off. */
const BYTES_AN_INSTRUCTION = 17;

const requestsOf = ({ each, least }: typeof FEW, connections: number): number =>
  Math.max(least, each * connections);

/** Measures one workload and number of connections over the network that is set up in the guest. */
async function measureCell(
  guest: SingleGuest,
  script: ShellScript,
  symbolReader: SymbolReader,
  plan: CellPlan,
): Promise<Omit<CostCell, 'difference'>> {
  const { workload, connections } = plan;
  const runs = async (requests: number, times: number): Promise<LoadRun[]> => {
    const done: LoadRun[] = [];
    while (done.length < times)
      done.push(readLoadRun(await guest.run(script.load({ workload, connections, requests }))));
    return done;
  };
  const [few, many] = [requestsOf(FEW, connections), requestsOf(MANY, connections)];
  // Fills the caches of the kernel, of nginx and of the guest's file system.
  await runs(few, 2);
  const repeats = slopes(await runs(few, plan.repeats), await runs(many, plan.repeats));
  const { value, spread } = summarizeRepeats(repeats);
  await guest.run(script.begin({ workload, connections, requests: TRACED_LOAD }));
  const traced = await trace(guest, symbolReader.reader, {
    bytes: requestsOf(TRACED, connections) * value * BYTES_AN_INSTRUCTION,
    marks: connections * SENDS_A_REQUEST,
  });
  await guest.run(script.end);
  return {
    workload,
    connections,
    repeats,
    spread,
    steady: spread <= MAX_REPEAT_SPREAD,
    ...partsOf(value, traced, symbolReader.symbols),
  };
}

const linkSchema = z.object({
  ifname: z.string(),
  stats64: z.object({
    rx: z.object({ packets: z.number() }),
    tx: z.object({ packets: z.number() }),
  }),
});

/**
 * Checks by the devices' packet counters that the load took the path of the network.
 *
 * @throws BarewireError `path-check-failed` with the device
 */
function checkCarried(script: ShellScript, network: string, counters: string, requests: number): void {
  const places = counters
    .trim()
    .split('\n')
    .map((line) => z.array(linkSchema).parse(JSON.parse(line)));
  const carried = ({ place, link }: ShellScript['through'][number]): number => {
    const stats = places[place]?.find(({ ifname }) => ifname === link)?.stats64;
    return Math.min(stats?.rx.packets ?? 0, stats?.tx.packets ?? 0);
  };
  const gap = script.through.find((device) => carried(device) < requests);
  if (gap !== undefined)
    throw astray(
      network,
      `${gap.link} carried ${carried(gap)} packets each way, expected ${requests} at least`,
    );
  const stray = script.around.find((device) => carried(device) >= requests);
  if (stray !== undefined)
    throw astray(network, `${stray.link} carried ${carried(stray)} packets, expected none`);
}

const astray = (network: string, fact: string): BarewireError =>
  machineError(
    'path-check-failed',
    `Path check of ${network} failed in the guest: ${fact}`,
    'Use another kernel with --kernel.',
  );

/** Progress of a run. */
export type CostEvent =
  | { readonly kind: 'restored'; readonly undone: readonly UndoneJournal[] }
  | { readonly kind: 'booting'; readonly kernel: string | null }
  | { readonly kind: 'booted'; readonly kernel: string; readonly ms: number }
  | { readonly kind: 'started'; readonly kernel: string; readonly network: string }
  | {
      readonly kind: 'unmeasured';
      readonly kernel: string;
      readonly network: string;
      readonly finding: Finding;
    }
  | {
      readonly kind: 'measured';
      readonly kernel: string;
      readonly network: string;
      readonly cell: CostCell;
    };
export type OnCostEvent = (event: CostEvent) => void;
