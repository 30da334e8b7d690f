import { GeneratorProcess } from '../load/index.js';
import { freshRunId, lockMachine, openJournals, openMachine, undoAll } from '../machine/index.js';
import { bindSymbols, RUN_SYMBOL } from '../network/index.js';
import { type PlannedSlice, type StudyRecord, type Summary } from '../schema/index.js';
import { isPrecise, listReferenceMoving } from '../stats/index.js';
import { findTestbedKind } from '../testbed/index.js';
import { beginStudy, type StudyRequest } from './begin.js';
import { showsIsolation } from './groups.js';
import { Hosts } from './hosts.js';
import { planStudyOnHosts } from './plan-on-hosts.js';
import { measurable, resolveSlice, restartsTimeMs, selectSlices, sliceTimeMs } from './plan-slices.js';
import { stationKey } from './plan-stations.js';
import type { LoadTemplate, StudyPlan } from './plan-types.js';
import { Progress } from './progress.js';
import { readResults, writeReports } from './reading.js';
import type { ResultsDirectory } from './results.js';
import { searchMaxima } from './search.js';
import { runSlice, type SliceContext, type SliceOutcome } from './slice.js';
import { SliceWriter } from './slice-writer.js';
import { endsRestart } from './station-errors.js';
import { Stations } from './stations.js';
import { TuningOfStudy } from './tuning.js';

/**
 * Runs a study, or the rest of it when its directory has slices already, and writes the reports, also after
 * an interrupt. The machine is restored before this returns or throws.
 */
export async function runStudy(request: StudyRequest): Promise<Summary> {
  // The agents of the user's machines lock and restore them. This machine is not changed then.
  await using _lock = findTestbedKind(request.spec.testbed).madeHere ? await takeMachine(request) : null;
  try {
    return await measureAll(request);
  } catch (error) {
    if ((await request.directory.exists()) && (await request.directory.readSlices()).length > 0)
      await writeReports(request.directory);
    throw error;
  }
}

/** Locks the machine, and restores it first where a crash left journals. */
async function takeMachine({ spec, onEvent }: StudyRequest): Promise<AsyncDisposable> {
  const lock = await lockMachine(`study ${spec.name}`);
  try {
    if ((await openJournals()).length === 0) return lock;
    const undone = await undoAll();
    onEvent({ kind: 'restored', undone });
    return lock;
  } catch (error) {
    await lock[Symbol.asyncDispose]();
    throw error;
  }
}

/** Measures, and writes the reports while hosts that belong to others are closed. */
async function measureAll(request: StudyRequest): Promise<Summary> {
  const { spec, directory, signal, onEvent } = request;
  // Of this run: a resumed study gets the time of a whole one.
  const beganMs = performance.now() - (Date.now() - Date.parse(request.startedAt));
  const run = freshRunId();
  let unbound = request.plan ?? (await planStudyOnHosts(spec));
  let plan = bindSymbols(unbound, { [RUN_SYMBOL]: run });
  await using hosts = new Hosts(plan, unbound.testbed, run, signal);
  await hosts.open();
  // Where each network has hosts of its own, these are namespaces of this machine, and the generator enters each.
  await using machine = hosts.areShared ? null : await openMachine({ run, host: 'generator', netns: null });
  await using generator =
    plan.generator === null
      ? null
      : new GeneratorProcess(
          machine ?? hosts.shared.client.machine,
          plan.testbed.hosts.client.cpus,
          plan.generator,
          ['closed', spec.arrival],
        );
  const before = (await directory.exists()) ? await directory.readStudy() : null;
  await using tuning = new TuningOfStudy(plan.study, before?.tuned);
  if (hostsAreNamespaces(plan)) await tuning.openMachine(run, plan.testbed.hosts.server);
  await using stations = new Stations({ plan, unbound, hosts, generator, tuning, signal });
  const context: SliceContext = { plan, stations, signal };
  let study = before ?? (await beginStudy(request, context));
  await directory.repair();
  const replan = async (): Promise<void> => {
    unbound = await planStudyOnHosts(study.spec);
    plan = bindSymbols(unbound, { [RUN_SYMBOL]: run });
  };
  // The record also has what the hosts and the first restart have decided.
  if (JSON.stringify(study.spec) !== JSON.stringify(plan.study)) await replan();
  const names = measurable(study.networks);
  const done = new Set((await directory.readSlices()).map(({ id }) => id));
  const listPlanned = () =>
    plan.restarts
      .filter(({ restart }) => restart <= (study.stoppedAfter ?? Infinity))
      .flatMap(({ groups }) => selectSlices(groups, names).flat());
  const planned = listPlanned();
  const progress = new Progress(planned.length, planned.filter(({ id }) => done.has(id)).length);
  onEvent({
    kind: 'planned',
    directory: directory.path,
    slices: progress.of,
    measured: progress.measured,
    restarts: plan.restarts.length,
    rounds: study.spec.rounds,
    sliceMs: study.spec.durationMs,
    eachMs: sliceTimeMs(study.spec),
    warnings: plan.testbed.warnings ?? [],
  });
  await using writer = new SliceWriter(directory, onEvent);
  const measure: Measure = async (slice, load) => {
    signal.throwIfAborted();
    const outcome = await runSlice(context, slice, load);
    await writer.write(outcome);
    return outcome;
  };
  /** Whether a slice of this restart can be measured again and the study still ends in time. */
  const hasTime = (restart: number): boolean => {
    const { timeMs, restarts } = study.spec;
    if (timeMs === null) return true;
    const leftMs = progress.left * sliceTimeMs(study.spec) + restartsTimeMs(study.spec, restarts - restart);
    return performance.now() + leftMs < beganMs + timeMs;
  };
  const retries = { ...plan.retries };
  for (let restart = 1; restart <= study.spec.restarts; restart++) {
    const { groups = [] } = plan.restarts[restart - 1] ?? {};
    const selected = selectSlices(groups, names);
    for (const [index, group] of groups.entries()) {
      const left = selected[index]?.filter(({ id }) => !done.has(id)) ?? [];
      if (left.length === 0 || restart > (study.stoppedAfter ?? Infinity)) continue;
      onEvent({
        kind: 'restart',
        restart,
        of: plan.restarts.length,
        networks: [...new Set(left.map(({ network }) => network))],
      });
      try {
        const keys = new Set(left.map(stationKey));
        const wanted = group.stations.map(stationKey).filter((key) => keys.has(key));
        await stations.setUpOnly(wanted, restart);
        for (const { load, generator: _steps, ...drawn } of left) {
          const slice = resolveSlice(drawn, study.referenceMaxRps);
          onEvent({ kind: 'slice-started', planned: slice, ...progress.next() });
          await stations.makeReady(restart);
          await runWithRetries(slice, load, retries, measure, () => hasTime(restart));
        }
      } catch (error) {
        // The next restart makes new hosts.
        if (plan.sharesHosts === 'in-study' || signal.aborted || !endsRestart(error)) throw error;
        onEvent({ kind: 'host-lost', restart, message: error.message });
      }
      await writer.written();
      await stations.tearDownAll();
    }
    study = await withTuned(study, tuning, directory);
    hosts.endRestart();
    const isLast = restart >= Math.min(plan.restarts.length, study.stoppedAfter ?? Infinity);
    if (!isLast && selected.flat().some(({ id }) => !done.has(id)) && (await reachedPrecision(directory))) {
      study = { ...study, stoppedAfter: restart };
      await directory.update(study);
      onEvent({ kind: 'precise', restart, of: plan.restarts.length });
    }
    const apart = restart === 1 && showsIsolation(study.spec, names) ? await findApart(directory) : [];
    if (apart.length === 0) continue;
    study = { ...study, spec: { ...study.spec, apart } };
    await directory.update(study);
    await replan();
    progress.of = listPlanned().length;
    onEvent({ kind: 'apart', networks: apart });
  }
  await searchMaxima({
    plan,
    study,
    directory,
    onEvent,
    measure: async (slice, load) => {
      const contenders = names.filter((name) => name !== study.spec.reference).length;
      const allFit = plan.sharesHosts === 'never' && contenders <= (study.spec.together ?? Infinity);
      await stations.setUpOnly(allFit ? [...names] : [slice.network], slice.restart);
      await stations.makeReady(slice.restart);
      return await measure(slice, load);
    },
  });
  await writer.written();
  await stations.tearDownAll();
  await withTuned(study, tuning, directory);
  hosts.endRestart();
  return await writeReports(directory);
}

/** Hosts that are machines of their own are tuned whole. */
const hostsAreNamespaces = ({ study }: StudyPlan): boolean =>
  findTestbedKind(study.testbed).sharesHosts === 'never';

/** Records whether the settings have held until now. */
async function withTuned(
  study: StudyRecord,
  tuning: TuningOfStudy,
  directory: ResultsDirectory,
): Promise<StudyRecord> {
  await tuning.endRestart();
  if (tuning.records.length === 0) return study;
  const tuned = { ...study, tuned: tuning.records };
  await directory.update(tuned);
  return tuned;
}

/** The networks to set up apart from the others after the first restart. */
async function findApart(directory: ResultsDirectory): Promise<readonly string[]> {
  const { study, slices } = await readResults(directory);
  return listReferenceMoving(study, slices);
}

const reachedPrecision = async (directory: ResultsDirectory): Promise<boolean> => {
  if ((await directory.readStudy()).spec.precision === undefined) return false;
  const { study, slices } = await readResults(directory);
  return isPrecise(study, slices);
};

/** Runs a slice, appends its record and reports it. */
type Measure = (planned: PlannedSlice, load: LoadTemplate) => Promise<SliceOutcome>;

/** Runs a slice. One whose self-check fails is kept and measured again at once, within its round and the limits. */
async function runWithRetries(
  planned: PlannedSlice,
  load: LoadTemplate,
  left: { readonly perSlice: number; inAll: number },
  measure: Measure,
  hasTime: () => boolean,
): Promise<void> {
  for (let attempt = 1; attempt <= 1 + left.perSlice; attempt++) {
    if (attempt > 1 && (!hasTime() || left.inAll-- <= 0)) return;
    const again = attempt === 1 ? {} : { id: `${planned.id}.${attempt}`, attempt };
    const { record } = await measure({ ...planned, ...again }, load);
    if (record.status === 'failed' || record.valid) return;
  }
}
