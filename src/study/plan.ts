import { planGenerator } from '../load/index.js';
import type { Network } from '../network/index.js';
import type { ResolvedStudy } from '../schema/index.js';
import { MAX_SLICES, searchSliceMs, wantsMaximum } from '../stats/index.js';
import { findTestbedKind, type TestbedPlan } from '../testbed/index.js';
import { requireLinkCapacity } from './link-capacity.js';
import { drawRestarts, type DrawnSlice } from './plan-slices.js';
import type { StudyPlan, SlicePlan } from './plan-types.js';
import { stationKey, planStation } from './plan-stations.js';
import { planLoad, planMaximum, externalSteps } from './plan-loads.js';

/** Where two of three slices are disturbed, most become valid. A study whose time is not given then takes up to five times its own. */
const RETRIES_PER_SLICE = 4;
/** Of the slices of a study whose time is given: the plan leaves time for 3 %. */
const RETRIED_SHARE_IN_TIME = 0.05;

/** Plans a study on hosts that are known. Pure. */
export function planStudy(
  study: ResolvedStudy,
  testbed: TestbedPlan,
  networks: readonly Network[],
): StudyPlan {
  const { sharesHosts, ownGenerators } = findTestbedKind(study.testbed);
  const speeds = Object.values(testbed.hosts).flatMap(({ linkMbps }) => linkMbps ?? []);
  requireLinkCapacity(study, study.wire.rateMbps ?? (speeds.length === 0 ? null : Math.min(...speeds)));
  const drawn = drawRestarts(study);
  // The reference is a station even of a study without it: some rates are shares of its maximum.
  const all = [
    ...drawn.flatMap((groups) => groups.flatMap((group) => group.stations)),
    { network: study.reference, role: 'reference' } as const,
  ];
  const stations = [...new Map(all.map((one) => [stationKey(one), one])).values()].flatMap((station) => {
    const network = networks.find(({ name }) => name === station.network);
    return network === undefined ? [] : [planStation(station, network, testbed, study)];
  });
  const withLoad = (slice: DrawnSlice): SlicePlan => {
    const station = stations.find((one) => stationKey(one) === stationKey(slice));
    const load = planLoad({ study, testbed }, slice, station);
    return { ...slice, load, generator: externalSteps(slice, load, station, testbed, study) };
  };
  const restarts = drawn.map((groups, index) => ({
    restart: index + 1,
    groups: groups.map((group) => ({ stations: group.stations, slices: group.slices.map(withLoad) })),
  }));
  const slices = restarts.reduce(
    (sum, { groups }) => sum + groups.reduce((own, group) => own + group.slices.length, 0),
    0,
  );
  const reference = stations.find(({ network }) => network === study.reference);
  const { client } = testbed.hosts;
  return {
    study,
    testbed,
    sharesHosts,
    stations,
    generator: ownGenerators ? null : planGenerator(client.bundle, client.cpus),
    maxima: study.workloads
      .filter((name) => wantsMaximum(study) || (study.rates[name] ?? []).some(({ kind }) => kind === 'share'))
      .map((name) => planMaximum({ study, testbed }, name, reference)),
    restarts,
    retries: {
      perSlice: RETRIES_PER_SLICE,
      inAll: study.timeMs === null ? slices * RETRIES_PER_SLICE : Math.ceil(slices * RETRIED_SHARE_IN_TIME),
    },
    search: wantsMaximum(study)
      ? {
          networks: study.networks,
          workloads: study.workloads,
          mostSlices: MAX_SLICES,
          durationMs: searchSliceMs(study),
        }
      : null,
  };
}
