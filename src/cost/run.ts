import { bootSingleGuest } from '../guest/index.js';
import {
  freshRunId,
  lockMachine,
  openJournals,
  openMachine,
  undoAll,
  type Machine,
} from '../machine/index.js';
import { type Cost, type KernelCost, REFERENCE } from '../schema/index.js';
import { type OnCostEvent, type CellPlan, measureNetwork } from './network.js';
import { openSymbolReader } from './trace-file.js';
import { againstReference, type BareNetwork, findCostWarnings } from './warnings.js';

export interface CostRequest {
  /** Catalog names. The reference is always measured too. */
  readonly networks: readonly string[];
  readonly cells: readonly CellPlan[];
  /** bzImages, one guest each; null selects this machine's own kernel if it suffices, else Debian's. */
  readonly kernels: readonly (string | null)[];
  readonly version: string;
  readonly signal: AbortSignal;
  readonly onEvent: OnCostEvent;
}

/**
 * Measures every network in one guest per kernel, all guests at once. The guests are stopped before this
 * returns or throws.
 */
export async function measureCost(request: CostRequest): Promise<Cost> {
  const startedAt = new Date().toISOString();
  const started = performance.now();
  await using _lock = await lockMachine('cost');
  await restore(request.onEvent);
  const run = freshRunId();
  await using machine = await openMachine({ run, host: 'cost', netns: null });
  const first = async (argv: readonly string[]): Promise<string> => {
    const { stdout, stderr } = await machine.run(argv);
    return `${stdout}${stderr}`.split('\n')[0]?.trim() ?? '';
  };
  const programs = {
    client: await first(['h2load', '--version']),
    server: (await first(['nginx', '-v'])).replace('nginx version: ', ''),
    emulator: await first(['qemu-system-x86_64', '--version']),
  };
  const kernels = await Promise.all(
    request.kernels.map((kernel, at) => inGuest(machine, run, `guest${at + 1}`, kernel, request)),
  );
  return {
    schema: 2,
    version: request.version,
    startedAt,
    wallS: (performance.now() - started) / 1_000,
    reference: REFERENCE,
    ...programs,
    warnings: findCostWarnings(kernels),
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
  await using guest = await bootSingleGuest(machine, { run, name, kernel, signal });
  onEvent({ kind: 'booted', kernel: guest.kernel, ms: performance.now() - started });
  const names = [REFERENCE, ...request.networks.filter((each) => each !== REFERENCE)];
  const symbolReader = await openSymbolReader(guest);
  const networks: BareNetwork[] = [];
  for (const each of names) networks.push(await measureNetwork(guest, symbolReader, each, request));
  return { kernel: guest.kernel, networks: againstReference(networks, REFERENCE) };
}
