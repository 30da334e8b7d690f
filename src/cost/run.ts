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
import { contentOf, fullestArms, plainArms, type CostAblation, type CostArm } from './ablation.js';
import { type OnCostEvent, type CellPlan, loadModules, measureNetwork } from './network.js';
import { openSymbolReader } from './trace-file.js';
import { againstReference, referenceOfArm, type BareNetwork, findCostWarnings } from './warnings.js';

export interface CostRequest {
  /** Catalog names. Without an ablation, the reference is always measured too. */
  readonly networks: readonly string[];
  /** What is compared on each network; null compares the networks. */
  readonly ablation: CostAblation | null;
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
  const { ablation } = request;
  const arms =
    ablation?.arms ?? plainArms([REFERENCE, ...request.networks.filter((each) => each !== REFERENCE)]);
  const kernels = await Promise.all(
    request.kernels.map((kernel, at) => onKernel(machine, run, `guest${at + 1}`, kernel, arms, request)),
  );
  return {
    schema: 2,
    version: request.version,
    startedAt,
    wallS: (performance.now() - started) / 1_000,
    reference: ablation === null ? REFERENCE : referenceOfArm(ablation.arms[0]?.name ?? REFERENCE),
    ...(ablation !== null && {
      ablation: { profile: ablation.profile, effects: ablation.effects, omitted: ablation.omitted },
    }),
    ...programs,
    warnings: findCostWarnings(kernels),
    kernels,
  };
}

/** A crash may have left journals. */
async function restore(onEvent: OnCostEvent): Promise<void> {
  if ((await openJournals()).length === 0) return;
  onEvent({ kind: 'restored', undone: await undoAll() });
}

/** Counts all arms with one kernel: those that it has to be booted for in a guest of their own. */
async function onKernel(
  machine: Machine,
  run: string,
  name: string,
  kernel: string | null,
  arms: readonly CostArm[],
  request: CostRequest,
): Promise<KernelCost> {
  const boots = [false, true].map((mitigations) => arms.filter((arm) => arm.mitigations === mitigations));
  const guests = await Promise.all(
    boots.flatMap((own, at) =>
      own.length === 0 ? [] : [inGuest(machine, run, `${name}${at === 0 ? '' : 'm'}`, kernel, own, request)],
    ),
  );
  const measured = guests.flatMap(({ networks }) => networks);
  return {
    kernel: guests[0]?.kernel ?? '',
    networks: againstReference(
      arms.flatMap((arm) => measured.find(({ name: own }) => own === arm.name) ?? []),
    ),
  };
}

async function inGuest(
  machine: Machine,
  run: string,
  name: string,
  kernel: string | null,
  arms: readonly CostArm[],
  request: CostRequest,
): Promise<{ readonly kernel: string; readonly networks: readonly BareNetwork[] }> {
  const { signal, onEvent } = request;
  onEvent({ kind: 'booting', kernel });
  const started = performance.now();
  const mitigations = arms.some((arm) => arm.mitigations);
  await using guest = await bootSingleGuest(machine, { run, name, kernel, mitigations, signal });
  onEvent({ kind: 'booted', kernel: guest.kernel, ms: performance.now() - started });
  for (const arm of fullestArms(arms)) await loadModules(guest, arm);
  const symbolReader = await openSymbolReader(guest);
  const measured = new Map<string, BareNetwork>();
  const networks: BareNetwork[] = [];
  for (const arm of arms) {
    // The same settings give the same counts: everything without one of two knobs is the other one alone.
    const same = measured.get(contentOf(arm));
    const network = same ?? (await measureNetwork(guest, symbolReader, arm, request));
    measured.set(contentOf(arm), network);
    networks.push({ ...network, name: arm.name });
  }
  return { kernel: guest.kernel, networks };
}
