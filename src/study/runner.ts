import { describeExternal, GeneratorProcess } from '../load/index.js';
import { freshRunId, lockMachine, openJournals, openMachine, undoAll } from '../machine/index.js';
import { bindSymbols, countSetupSteps, RUN_SYMBOL, type Network } from '../network/index.js';
import { describeFinding } from '../report/index.js';
import {
  type NetworkStatus,
  type PlannedSlice,
  type ResolvedStudy,
  type StudyRecord,
  type Summary,
  type WorkloadName,
  REFERENCE,
  bug,
  machineError,
} from '../schema/index.js';
import { isPrecise, listMovers } from '../stats/index.js';
import {
  findOfferedNetwork,
  findTestbedKind,
  openTestbed,
  planTestbed,
  probeNetworks,
  readNicFacts,
} from '../testbed/index.js';
import { contendersInMemory } from './memory.js';
import {
  divideTime,
  measurable,
  resolveSlice,
  restartsTimeMs,
  showsIsolation,
  sliceTimeMs,
} from './plan-slices.js';
import { planStudy, stationKey, UNCHANGED, type LoadTemplate, type StudyPlan } from './plan.js';
import { Progress, type OnStudyEvent } from './progress.js';
import { readResults, writeReports } from './reading.js';
import type { ResultsDirectory } from './results.js';
import { searchMaxima } from './search.js';
import { findMaximum, runSlice, type SliceContext, type SliceOutcome } from './slice.js';
import { SliceWriter } from './slice-writer.js';
import { isLostHost, Stations } from './stations.js';

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
export async function planStudyOnHosts(spec: ResolvedStudy): Promise<StudyPlan> {
  const testbed = await planTestbed(spec.testbed, spec);
  const together = spec.together ?? contendersInMemory(spec, testbed);
  const networks = [...offeredOf(spec), findOfferedNetwork(spec.testbed, REFERENCE)];
  return planStudy({ ...spec, together }, testbed, networks);
}

async function measureAll(request: StudyRequest): Promise<void> {
  const { spec, directory, signal, onEvent } = request;
  // Of this run: a resumed study gets the time of a whole one.
  const beganMs = performance.now() - (Date.now() - Date.parse(request.startedAt));
  const run = freshRunId();
  const { wire, ip } = spec;
  let unbound = await planStudyOnHosts(spec);
  const hosts = { run, wire, ip, signal };
  await using shared = unbound.ownHosts ? null : await openTestbed(spec.testbed, hosts, unbound.testbed);
  // Where each network has hosts of its own, these are namespaces of this machine, and the generator enters each.
  await using machine = shared === null ? await openMachine({ run, host: 'generator', netns: null }) : null;
  const on = machine ?? shared?.client.machine;
  if (on === undefined) throw bug('the generator has no machine');
  let plan = bindSymbols(unbound, { [RUN_SYMBOL]: run });
  await using generator = new GeneratorProcess(on, plan.testbed.hosts.client.cpus, plan.generator, [
    'closed',
    spec.arrival,
  ]);
  await using stations = new Stations({ plan, unbound, shared, generator, signal });
  const context: SliceContext = { plan, stations, generator, signal };
  let study = (await directory.exists()) ? await directory.readStudy() : await begin(request, context);
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
      .flatMap(({ groups }) => groups.flatMap(({ slices }) => slices))
      .filter(({ network }) => names.includes(network));
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
  });
  await using writer = new SliceWriter(directory, onEvent);
  const measure: Measure = async (slice, load) => {
    signal.throwIfAborted();
    const outcome = await runSlice(context, slice, load);
    await writer.write(outcome);
    return outcome;
  };
  const schedule = {
    /** Whether a slice can be measured again and the study still ends in time. */
    hasTime: (restart: number): boolean => {
      const { timeMs, restarts } = study.spec;
      if (timeMs === null) return true;
      const leftMs = progress.left * sliceTimeMs(study.spec) + restartsTimeMs(restarts - restart);
      return performance.now() + leftMs < beganMs + timeMs;
    },
  };
  const retries = { ...plan.retries };
  for (let restart = 1; restart <= study.spec.restarts; restart++) {
    const { groups = [] } = plan.restarts[restart - 1] ?? {};
    for (const group of groups) {
      const left = group.slices.filter(({ id, network }) => names.includes(network) && !done.has(id));
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
        await stations.setUpOnly(wanted, generator.ready(restart));
        for (const { load, generator: _steps, ...drawn } of left) {
          const slice = resolveSlice(drawn, study.referenceMaxRps);
          onEvent({ kind: 'slice-started', planned: slice, ...progress.next() });
          await generator.ready(restart);
          await runWithRetries(slice, load, retries, measure, () => schedule.hasTime(restart));
        }
      } catch (error) {
        // The next restart makes new hosts.
        if (!plan.ownHosts || signal.aborted || !isLostHost(error)) throw error;
        onEvent({ kind: 'host-lost', restart, message: error.message });
      }
      await writer.written();
      await stations.tearDownAll();
      if (group === groups.at(-1) && restart < plan.restarts.length && (await reachedPrecision(directory))) {
        study = { ...study, stoppedAfter: restart };
        await directory.update(study);
        onEvent({ kind: 'precise', restart, of: plan.restarts.length });
      }
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
      await generator.ready(slice.restart);
      const contenders = names.filter((name) => name !== REFERENCE).length;
      const allFit = plan.ownHosts && contenders <= (study.spec.together ?? Infinity);
      await stations.setUpOnly(allFit ? [...names] : [slice.network]);
      return await measure(slice, load);
    },
  });
  await writer.written();
}

/** The networks to set up apart from the others after the first restart. */
async function findApart(directory: ResultsDirectory): Promise<readonly string[]> {
  const { study, slices } = await readResults(directory);
  return listMovers(study, slices);
}

const reachedPrecision = async (directory: ResultsDirectory): Promise<boolean> => {
  if ((await directory.readStudy()).spec.precision === undefined) return false;
  const { study, slices } = await readResults(directory);
  return isPrecise(study, slices);
};

/**
 * Probes, measures the reference's maximum and writes study.json. From here on a resume plans the same
 * slices.
 */
async function begin(
  { spec, directory, startedAt, version, signal, onEvent }: StudyRequest,
  { plan, stations, generator }: SliceContext,
): Promise<StudyRecord> {
  const first = plan.stations[0];
  if (first === undefined) throw bug('a study without a network');
  // The generator serves the first restart too.
  await stations.setUpOnly([stationKey(first)], generator.ready(1));
  const { client, server, limitations } = stations.hostsOf(stationKey(first));
  // Throws before anything is measured when the generator is not installed on the client.
  const external =
    spec.generator === 'barewire'
      ? {}
      : { generator: await describeExternal(client.machine, spec.generator) };
  const environment = {
    client: { ...(await client.machine.environment()), ...(await readNicFacts(client)) },
    server: { ...(await server.machine.environment()), ...(await readNicFacts(server)) },
  };
  const pinned = spec.congestionControl !== UNCHANGED && plan.stations.every(({ kind }) => kind !== 'given');
  if (pinned)
    for (const facts of Object.values(environment)) facts['congestionControl'] = spec.congestionControl;
  const probed = await probeNetworks({ client, server }, offeredOf(spec));
  const networks = probed.map((status): NetworkStatus => {
    const network = findOfferedNetwork(spec.testbed, status.name);
    return network.kind === 'given'
      ? status
      : { ...status, setupSteps: countSetupSteps(network), facts: network.facts };
  });
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
    if (planned !== undefined) await stations.setUpOnly([planned.network]);
    const context: SliceContext = { plan, stations, generator, signal };
    const rps = planned === undefined ? null : await findMaximum(context, planned);
    referenceMaxRps[workload] = rps;
    onEvent({ kind: 'maximum', workload, rps });
  }
  const { rounds, durationMs } = divideTime(plan.study, measurable(networks));
  const study: StudyRecord = {
    schema: 2,
    version,
    startedAt,
    spec: { ...spec, together: plan.study.together, rounds, durationMs },
    networks,
    referenceMaxRps,
    limitations: [...limitations],
    ...external,
    environment,
  };
  await directory.create(study);
  await stations.tearDownAll();
  return study;
}

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
