import { describeExternal } from '../load/index.js';
import { countSetupSteps } from '../network/index.js';
import { describeFinding } from '../report/index.js';
import {
  type Environment,
  type NetworkStatus,
  type ResolvedStudy,
  type StudyRecord,
  type WorkloadName,
  bug,
  machineError,
} from '../schema/index.js';
import { findDockerEffects, findOfferedNetwork, probeNetworks, readNicFacts } from '../testbed/index.js';
import { networksOf } from './plan-on-hosts.js';
import { divideTime, measurable } from './plan-slices.js';
import { stationKey, UNCHANGED } from './plan-stations.js';
import type { StationPlan, StudyPlan } from './plan-types.js';
import type { OnStudyEvent } from './progress.js';
import type { ResultsDirectory } from './results.js';
import { findMaximum } from './maximum.js';
import type { SliceContext } from './slice.js';

export interface StudyRequest {
  readonly spec: ResolvedStudy;
  /** The plan of the spec where it was made already, to show it before. */
  readonly plan?: StudyPlan | undefined;
  readonly directory: ResultsDirectory;
  /** When the study was requested, ISO 8601. Its wall time counts from here. */
  readonly startedAt: string;
  /** The version of Barewire, for study.json. */
  readonly version: string;
  readonly signal: AbortSignal;
  readonly onEvent: OnStudyEvent;
}

/**
 * Probes, measures the reference's maximum and writes study.json. From here on a resume plans the same
 * slices.
 */
export async function beginStudy(
  { spec, directory, startedAt, version, signal, onEvent }: StudyRequest,
  { plan, stations }: SliceContext,
): Promise<StudyRecord> {
  const first = plan.stations[0];
  if (first === undefined) throw bug('a study without a network');
  // The generator serves the first restart too.
  await stations.setUpOnly([stationKey(first)], 1);
  const hosts = stations.hostsOf(stationKey(first));
  const { client, server, limitations } = hosts;
  // Throws before anything is measured when the generator is not installed on the client.
  const external =
    spec.generator === 'barewire'
      ? {}
      : { generator: await describeExternal(client.machine, spec.generator) };
  const others = Object.entries(hosts.otherHosts ?? {}).map(
    async ([name, machine]) => [name, await machine.environment()] as const,
  );
  const environment: Record<string, Environment> = {
    client: { ...(await client.machine.environment()), ...(await readNicFacts(client)), ...client.facts },
    server: { ...(await server.machine.environment()), ...(await readNicFacts(server)), ...server.facts },
    ...Object.fromEntries(await Promise.all(others)),
  };
  const isOwn = (station: StationPlan): boolean => station.kind !== 'given' || station.steps !== null;
  const pinned = spec.congestionControl !== UNCHANGED && plan.stations.every(isOwn);
  if (pinned)
    for (const facts of Object.values(environment)) facts['congestionControl'] = spec.congestionControl;
  // Read here: setting up another station may close these hosts.
  const effects = await findDockerEffects({ client, server });
  const probed = await probeNetworks({ client, server }, networksOf(plan.study));
  const networks = probed.map((status): NetworkStatus => {
    const network = findOfferedNetwork(spec.testbed, status.name);
    const refusal = plan.testbed.unavailable?.find(({ network: name }) => name === status.name);
    if (refusal !== undefined) return { ...status, support: 'no', finding: refusal.finding };
    return network.kind === 'given'
      ? { ...status, what: hosts.describeNetwork?.(status.name) ?? status.what }
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
    if (planned !== undefined) await stations.setUpOnly([planned.network], 1);
    const context: SliceContext = { plan, stations, signal };
    const rps = planned === undefined ? null : await findMaximum(context, planned);
    referenceMaxRps[workload] = rps;
    onEvent({ kind: 'maximum', workload, rps });
  }
  const { rounds, durationMs } = divideTime(plan.study, measurable(networks));
  const study: StudyRecord = {
    schema: 2,
    version,
    startedAt,
    spec: { ...plan.study, rounds, durationMs },
    networks,
    referenceMaxRps,
    limitations: [
      ...limitations,
      ...effects,
      ...(plan.maxima.some(({ kind }) => kind === 'estimated')
        ? [{ code: 'limitation', limitation: 'maximum-estimated' } as const]
        : []),
    ],
    ...external,
    environment,
  };
  await directory.create(study);
  await stations.tearDownAll();
  return study;
}
