import { describeExternal, GeneratorProcess } from '../load/index.js';
import { freshRunId, lockMachine, openJournals, undoAll } from '../machine/index.js';
import { bindSymbols, RUN_SYMBOL, type Network } from '../network/index.js';
import { describeFinding } from '../report/index.js';
import {
  type PlannedSlice,
  type ResolvedStudy,
  type StudyRecord,
  type Summary,
  type WorkloadName,
  machineError,
} from '../schema/index.js';
import { Histogram } from '../stats/index.js';
import {
  findOfferedNetwork,
  findTestbedKind,
  openTestbed,
  planTestbed,
  probeNetworks,
} from '../testbed/index.js';
import { measurable, resolveSlice } from './plan-slices.js';
import { planStudy, type LoadTemplate, type RetryLimits, type SlicePlan, type StudyPlan } from './plan.js';
import type { OnStudyEvent } from './progress.js';
import { writeReports } from './reading.js';
import type { ResultsDirectory } from './results.js';
import { searchMaxima } from './search.js';
import { findMaximum, runSlice, type SliceContext, type SliceOutcome } from './slice.js';

export interface StudyRequest {
  readonly spec: ResolvedStudy;
  readonly directory: ResultsDirectory;
  /** When the study was requested, ISO 8601. Its wall time counts from here. */
  readonly startedAt: string;
  /** The version of Barewire, for study.json. */
  readonly version: string;
  readonly signal: AbortSignal;
  readonly onEvent: OnStudyEvent;
}

/**
 * Runs a study, or the rest of it when its directory has slices already, and writes the reports, also after
 * an interrupt. The machine is restored before this returns or throws.
 */
export async function runStudy(request: StudyRequest): Promise<Summary> {
  // The agents of the user's machines lock and restore them. This machine is not changed then.
  await using _lock = findTestbedKind(request.spec.testbed).madeHere ? await takeMachine(request) : null;
  try {
    await measureAll(request);
  } catch (error) {
    if ((await request.directory.exists()) && (await request.directory.readSlices()).length > 0)
      await writeReports(request.directory);
    throw error;
  }
  return await writeReports(request.directory);
}

/** Locks the machine, and restores it first where a crash left journals. */
async function takeMachine({ spec, onEvent }: StudyRequest): Promise<AsyncDisposable> {
  const lock = await lockMachine(`study ${spec.name}`);
  try {
    if ((await openJournals()).length === 0) return lock;
    const undone = await undoAll();
    const steps = undone.reduce((sum, host) => sum + host.steps, 0);
    onEvent({ kind: 'restored', hosts: undone.map(({ host }) => host), steps });
    return lock;
  } catch (error) {
    await lock[Symbol.asyncDispose]();
    throw error;
  }
}

const offeredOf = (spec: ResolvedStudy): Network[] =>
  spec.networks.map((name) => findOfferedNetwork(spec.testbed, name));

/** Plans a study on its testbed. The hosts are only read. */
export const planStudyOnHosts = async (spec: ResolvedStudy): Promise<StudyPlan> =>
  planStudy(spec, await planTestbed(spec.testbed, spec), offeredOf(spec));

async function measureAll(request: StudyRequest): Promise<void> {
  const { spec, directory, signal, onEvent } = request;
  const run = freshRunId();
  const unbound = await planStudyOnHosts(spec);
  const plan = bindSymbols(unbound, { [RUN_SYMBOL]: run });
  const { wire, ip } = spec;
  await using testbed = await openTestbed(spec.testbed, { run, wire, ip, signal }, unbound.testbed);
  const { machine, cpus } = testbed.client;
  await using generator = new GeneratorProcess(machine, cpus, plan.generator);
  const context: SliceContext = { plan, testbed, generator, signal };
  const study = (await directory.exists()) ? await directory.readStudy() : await begin(request, context);
  await directory.repair();
  const names = measurable(study.networks);
  const slices = plan.restarts
    .flatMap((restart) => restart.slices)
    .filter(({ network }) => names.includes(network));
  const done = new Set((await directory.readSlices()).map(({ id }) => id));
  const left = slices.filter(({ id }) => !done.has(id));
  const measured = slices.length - left.length;
  onEvent({ kind: 'planned', directory: directory.path, slices: slices.length, measured });
  const measure: Measure = async (planned, load) => {
    signal.throwIfAborted();
    const outcome = await runSlice(context, planned, load);
    await directory.append(outcome.record, outcome.histograms);
    onEvent({ kind: 'slice-ended', record: outcome.record, p99Ms: p99Ms(outcome) });
    return outcome;
  };
  const resolve = (slice: SlicePlan): PlannedSlice => {
    const { load: _load, generator: _generator, ...drawn } = slice;
    return resolveSlice(drawn, study.referenceMaxRps);
  };
  await runSlices(
    left.map((slice, index) => ({
      planned: resolve(slice),
      load: slice.load,
      position: measured + index + 1,
      of: slices.length,
    })),
    plan.retries,
    { onEvent, measure },
  );
  await searchMaxima({ plan, study, directory, onEvent, measure });
}

/**
 * Probes, measures the reference's maximum and writes study.json. From here on a resume plans the same
 * slices.
 */
async function begin(
  { spec, directory, startedAt, version, signal, onEvent }: StudyRequest,
  context: SliceContext,
): Promise<StudyRecord> {
  const { testbed, plan } = context;
  const { client, server } = testbed;
  // Throws before anything is measured when the generator is not installed on the client.
  const external =
    spec.generator === 'barewire'
      ? {}
      : { generator: await describeExternal(client.machine, spec.generator) };
  const networks = await probeNetworks(testbed, offeredOf(spec));
  onEvent({ kind: 'probed', networks });
  if (measurable(networks).length === 0)
    throw machineError(
      'missing-kernel-feature',
      `No network can run here: ${networks.map(({ name, finding }) => `${name}${finding === null ? '' : ` (${describeFinding(finding)})`}`).join('; ')}.`,
      'Run `barewire networks` to see what each network needs.',
    );
  const referenceMaxRps: Partial<Record<WorkloadName, number | null>> = {};
  for (const workload of spec.workloads) {
    const planned = plan.maxima.find((maximum) => maximum.workload === workload);
    signal.throwIfAborted();
    const rps = planned === undefined ? null : await findMaximum(context, planned);
    referenceMaxRps[workload] = rps;
    onEvent({ kind: 'maximum', workload, rps });
  }
  const study: StudyRecord = {
    schema: 2,
    version,
    startedAt,
    spec,
    networks,
    referenceMaxRps,
    limitations: [...testbed.limitations],
    ...external,
    environment: {
      client: await client.machine.environment(),
      server: await server.machine.environment(),
    },
  };
  await directory.create(study);
  return study;
}

/** Runs a slice, appends its record and reports it. */
type Measure = (planned: PlannedSlice, load: LoadTemplate) => Promise<SliceOutcome>;

interface SliceTask {
  readonly planned: PlannedSlice;
  readonly load: LoadTemplate;
  /** From 1, of all slices of the study. */
  readonly position: number;
  readonly of: number;
}

/** Runs slices in order. A slice whose self-check fails is kept and measured again, within the limits. */
async function runSlices(
  tasks: readonly SliceTask[],
  limits: RetryLimits,
  { onEvent, measure }: { readonly onEvent: OnStudyEvent; readonly measure: Measure },
): Promise<void> {
  const start = performance.now();
  let retriesLeft = limits.inAll;
  for (const [index, { planned, load, position, of }] of tasks.entries()) {
    const eachMs = index === 0 ? null : (performance.now() - start) / index;
    const leftMs = eachMs === null ? null : eachMs * (tasks.length - index);
    onEvent({ kind: 'slice-started', planned, position, of, leftMs });
    for (let attempt = 1; attempt <= 1 + limits.perSlice; attempt++) {
      if (attempt > 1 && retriesLeft-- <= 0) break;
      const again = attempt === 1 ? {} : { id: `${planned.id}.${attempt}`, attempt };
      const { record } = await measure({ ...planned, ...again }, load);
      if (record.status === 'failed' || record.valid) break;
    }
  }
}

function p99Ms({ histograms }: SliceOutcome): number | null {
  if (histograms === null) return null;
  const histogram = Histogram.decode(histograms.response);
  return histogram.count === 0 ? null : histogram.quantile(0.99) / 1e6;
}
