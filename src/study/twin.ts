import type { ResolvedStudy } from '../schema/index.js';
import { DEPLOYED, type TestbedPlan } from '../testbed/index.js';
import { divideTime } from './plan-slices.js';

/**
 * The deployed network is compared to its twin, which the study builds: an A/A comparison of the node agent with what a study measures. A
 * study that names no other contender gets the twin and the reference, tuned as the deployed network.
 */
export function withTwin(spec: ResolvedStudy, { deployed }: Pick<TestbedPlan, 'deployed'>): ResolvedStudy {
  if (deployed === undefined) return spec;
  const { twin } = deployed;
  const isAlone = spec.networks.every((name) => name === DEPLOYED.name || name === spec.reference);
  const added = [spec.reference, ...(twin === null ? [] : [twin])].filter(
    (name) => isAlone && !spec.networks.includes(name),
  );
  const networks = [...spec.networks, ...added];
  const references =
    twin !== null && networks.includes(twin)
      ? { ...spec.references, [DEPLOYED.name]: twin }
      : spec.references;
  const { tuning } = spec;
  const arm = tuning?.arms[DEPLOYED.name];
  const study = {
    ...spec,
    networks,
    references,
    ...(tuning !== undefined &&
      arm !== undefined && {
        tuning: {
          ...tuning,
          arms: { ...tuning.arms, ...Object.fromEntries(added.map((name) => [name, arm])) },
        },
      }),
  };
  return added.length === 0 ? study : { ...study, ...divideTime(study, networks) };
}
