import { GeneratorProcess, describeExternal } from '../load/index.js';
import { freshRunId, lockMachine, openJournals, undoAll } from '../machine/index.js';
import {
  type Environment,
  type NetworkStatus,
  type PlannedSlice,
  type ResolvedStudy,
  type StudyRecord,
  type Summary,
  type WorkloadName,
  machineError,
} from '../schema/index.js';
import type { BarewireError } from '../schema/index.js';
import { wantsMaximum, Histogram } from '../stats/index.js';
import { describeFinding } from '../report/index.js';
import {
  findOfferedNetwork,
  findTestbedKind,
  openTestbed,
  probeNetworks,
  type Testbed,
} from '../testbed/index.js';
import { measurable } from './networks.js';
import { planSlices, REFERENCE } from './plan.js';
import type { OnStudyEvent } from './progress.js';
import { writeReports } from './reports.js';
import type { ResultsDirectory } from './results.js';
import { searchMaxima } from './search.js';
import { findMaximum, runSlice, type SliceContext, type SliceOutcome } from './slice.js';

export interface StudyRequest {
  readonly spec: ResolvedStudy;
  readonly directory: ResultsDirectory;
  /** When it was asked for: the wall time of the study counts from here. ISO 8601. */
  readonly startedAt: string;
  /** Barewire's own, for study.json. */
  readonly version: string;
  readonly signal: AbortSignal;
  readonly onEvent: OnStudyEvent;
}

/**
 * Runs a study, or what is left of it when its directory has slices already, and writes the reports, after an
 * interrupt too. The machine is put back before this returns or throws.
 */
export async function runStudy(request: StudyRequest): Promise<Summary> {
  // Hosts that are not made here are locked and restored by their own agents; this machine is not changed.
  await using _lock = findTestbedKind(request.spec.testbed).madeHere ? await takeMachine(request) : null;
  try {
    await measureAll(request);
  } catch (error) {
    if (await hasSlices(request.directory)) await writeReports(request.directory);
    throw error;
  }
  return await writeReports(request.directory);
}

async function takeMachine({ spec, onEvent }: StudyRequest): Promise<AsyncDisposable> {
  const lock = await lockMachine(`study ${spec.name}`);
  try {
    await restore(onEvent);
  } catch (error) {
    await lock[Symbol.asyncDispose]();
    throw error;
  }
  return lock;
}

async function hasSlices(directory: ResultsDirectory): Promise<boolean> {
  return (await directory.exists()) && (await directory.readSlices()).length > 0;
}

/** A crash may have left journals: the machine is put back before anything is measured on it. */
async function restore(onEvent: OnStudyEvent): Promise<void> {
  if ((await openJournals()).length === 0) return;
  const undone = await undoAll();
  onEvent({
    kind: 'restored',
    hosts: undone.map(({ host }) => host),
    steps: undone.reduce((sum, { steps }) => sum + steps, 0),
  });
}

/** What all slices of a study stand on. */
type Ground = Pick<SliceContext, 'testbed' | 'generator'>;

async function measureAll(request: StudyRequest): Promise<void> {
  const { spec, directory, signal, onEvent } = request;
  const { wire, ip } = spec;
  await using testbed = await openTestbed(spec.testbed, {
    run: freshRunId(),
    wire,
    ip,
    signal,
  });
  await using generator = new GeneratorProcess(testbed.client.machine, testbed.client.cpus);
  const ground = { testbed, generator };
  const study = (await directory.exists()) ? await directory.readStudy() : await begin(request, ground);
  await directory.mend();
  const planned = planSlices(spec, measurable(study.networks), study.referenceMaxRps);
  const done = new Set((await directory.readSlices()).map(({ id }) => id));
  const left = planned.filter(({ id }) => !done.has(id));
  const measured = planned.length - left.length;
  onEvent({ kind: 'planned', directory: directory.path, slices: planned.length, measured });
  const measure: Measure = (slice) => measureSlice(request, ground, slice);
  await runRestarts(request, measure, left, planned.length);
  await searchMaxima({ study, directory, onEvent, measure });
}

/** Probes, finds the maximum and writes study.json: from here on a resume plans the same slices. */
async function begin(
  { spec, directory, startedAt, version, signal, onEvent }: StudyRequest,
  ground: Ground,
): Promise<StudyRecord> {
  const { testbed } = ground;
  const generator = await generatorOf(spec, testbed);
  const networks = await probeNetworks(
    testbed,
    spec.networks.map((name) => findOfferedNetwork(spec.testbed, name)),
  );
  onEvent({ kind: 'probed', networks });
  if (measurable(networks).length === 0) throw nothingToMeasure(networks);
  const referenceMaxRps: Partial<Record<WorkloadName, number | null>> = {};
  for (const workload of spec.workloads) {
    const rps = needsMaximum(spec, workload) ? await maximumOf(spec, ground, workload, signal) : null;
    referenceMaxRps[workload] = rps;
    onEvent({ kind: 'maximum', workload, rps });
  }
  const study: StudyRecord = {
    schema: 2,
    version,
    startedAt,
    spec,
    networks: [...networks],
    referenceMaxRps,
    limitations: [...testbed.limitations],
    ...generator,
    environment: await environments(testbed),
  };
  await directory.create(study);
  return study;
}

/** Throws before anything is measured when the tool is not installed where the load is made. */
const generatorOf = async (
  { generator }: ResolvedStudy,
  { client }: Testbed,
): Promise<Pick<StudyRecord, 'generator'>> =>
  generator === 'barewire' ? {} : { generator: await describeExternal(client.machine, generator) };

const needsMaximum = (spec: ResolvedStudy, workload: WorkloadName): boolean =>
  wantsMaximum(spec) || (spec.rates[workload] ?? []).some(({ kind }) => kind === 'share');

const maximumOf = (
  study: ResolvedStudy,
  ground: Ground,
  workload: WorkloadName,
  signal: AbortSignal,
): Promise<number> =>
  findMaximum({ ...ground, network: findOfferedNetwork(study.testbed, REFERENCE), study, signal }, workload);

async function environments({ client, server }: Testbed): Promise<Record<string, Environment>> {
  return { client: await client.machine.environment(), server: await server.machine.environment() };
}

const nothingToMeasure = (networks: readonly NetworkStatus[]): BarewireError =>
  machineError(
    'missing-kernel-feature',
    `None of the networks can run here: ${networks.map(({ name, finding }) => `${name}${finding === null ? '' : ` (${describeFinding(finding)})`}`).join('; ')}.`,
    '`barewire networks` says what each network needs.',
  );

type Measure = (planned: PlannedSlice) => Promise<SliceOutcome>;

/** Runs a slice, keeps its record and says how it ended. */
async function measureSlice(
  { spec, directory, signal, onEvent }: StudyRequest,
  ground: Ground,
  planned: PlannedSlice,
): Promise<SliceOutcome> {
  signal.throwIfAborted();
  const bench = {
    ...ground,
    network: findOfferedNetwork(spec.testbed, planned.network),
    study: spec,
    signal,
  };
  const outcome = await runSlice(bench, planned);
  await directory.append(outcome.record, outcome.histograms);
  onEvent({ kind: 'slice-ended', record: outcome.record, p99Ms: p99Ms(outcome) });
  return outcome;
}

async function runRestarts(
  { onEvent }: StudyRequest,
  measure: Measure,
  left: readonly PlannedSlice[],
  of: number,
): Promise<void> {
  const start = performance.now();
  let again = Math.ceil(of * AGAIN_SHARE);
  for (const [at, planned] of left.entries()) {
    const eachMs = at === 0 ? null : (performance.now() - start) / at;
    const place = of - left.length + at + 1;
    onEvent({
      kind: 'slice-started',
      planned,
      place,
      of,
      leftMs: eachMs === null ? null : eachMs * (left.length - at),
    });
    for (const slice of [planned, ...attemptsAfter(planned)]) {
      if (slice !== planned && again-- <= 0) break;
      const { record } = await measure(slice);
      if (record.status === 'failed' || record.valid) break;
    }
  }
}

/** A slice that the generator does not vouch for is kept, shown, and measured again: at most twice. */
const attemptsAfter = (planned: PlannedSlice): readonly PlannedSlice[] =>
  [2, 3].map((attempt) => ({ ...planned, id: `${planned.id}.${attempt}`, attempt }));

/** Of the slices, in all: on a machine that spoils more than that, measuring again does not help. */
const AGAIN_SHARE = 0.2;

function p99Ms({ histograms }: SliceOutcome): number | null {
  if (histograms === null) return null;
  const histogram = Histogram.decode(histograms.response);
  return histogram.count === 0 ? null : histogram.quantile(0.99) / 1e6;
}
