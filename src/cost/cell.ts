import type { CostCell, WorkloadName } from '../schema/index.js';
import type { SingleGuest } from '../guest/index.js';
import type { SymbolReader } from './symbol-reader.js';
import { partsOf, SENDS_A_REQUEST } from './parts.js';
import type { ShellScript } from './shell-script.js';
import { readLoadRun, summarizeRepeats, slopes, MAX_REPEAT_SPREAD, type LoadRun } from './slope.js';
import { trace } from './trace-file.js';

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

/** The least number of requests of a cell over the current network. */
export const minimumRequests = ({ connections, repeats }: CellPlan): number =>
  repeats * (requestsOf(FEW, connections) + requestsOf(MANY, connections));

/** Measures one workload and number of connections over the network that is set up in the guest. */
export async function measureCell(
  guest: SingleGuest,
  scene: ShellScript,
  lens: SymbolReader,
  plan: CellPlan,
): Promise<Omit<CostCell, 'difference'>> {
  const { workload, connections } = plan;
  const runs = async (requests: number, times: number): Promise<LoadRun[]> => {
    const done: LoadRun[] = [];
    while (done.length < times)
      done.push(readLoadRun(await guest.run(scene.load({ workload, connections, requests }))));
    return done;
  };
  const [few, many] = [requestsOf(FEW, connections), requestsOf(MANY, connections)];
  // Fills the caches of the kernel, of nginx and of the guest's file system.
  await runs(few, 2);
  const repeats = slopes(await runs(few, plan.repeats), await runs(many, plan.repeats));
  const { value, spread } = summarizeRepeats(repeats);
  await guest.run(scene.begin({ workload, connections, requests: TRACED_LOAD }));
  const traced = await trace(guest, lens.reader, {
    bytes: requestsOf(TRACED, connections) * value * BYTES_AN_INSTRUCTION,
    marks: connections * SENDS_A_REQUEST,
  });
  await guest.run(scene.end);
  return {
    workload,
    connections,
    repeats,
    spread,
    steady: spread <= MAX_REPEAT_SPREAD,
    ...partsOf(value, traced, lens.symbols),
  };
}
