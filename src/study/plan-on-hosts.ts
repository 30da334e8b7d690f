import type { Network } from '../network/index.js';
import type { ResolvedStudy } from '../schema/index.js';
import { findOfferedNetwork, planTestbed } from '../testbed/index.js';
import { contendersInMemory } from './memory.js';
import { planStudy } from './plan.js';
import type { StudyPlan } from './plan-types.js';
import { withTwin } from './twin.js';

/** The networks of a study. */
export const networksOf = (spec: ResolvedStudy): Network[] =>
  spec.networks.map((name) => findOfferedNetwork(spec.testbed, name));

/** Plans a study on its testbed. The hosts are only read. */
export async function planStudyOnHosts(asked: ResolvedStudy): Promise<StudyPlan> {
  const testbed = await planTestbed(asked.testbed, asked);
  const spec = withTwin(asked, testbed);
  const together = spec.together ?? contendersInMemory(spec, testbed);
  const { options, reference = spec.reference, references = spec.references } = testbed;
  const choice = options === undefined ? spec.testbed : { kind: spec.testbed.kind, options };
  const networks = [...networksOf(spec), findOfferedNetwork(spec.testbed, reference)];
  return planStudy({ ...spec, together, testbed: choice, reference, references }, testbed, networks);
}
