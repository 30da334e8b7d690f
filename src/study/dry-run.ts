import { printAction, printObjective, type ResolvedStudy } from '../schema/index.js';
import { wantsMaximum, MAX_SLICES } from '../stats/index.js';
import { findOfferedNetwork, plannedHosts } from '../testbed/index.js';

const RUN = 'dryrun';

/** Every step of every network, as a reader would type it; changes nothing and needs no rights. */
export function dryRun(spec: ResolvedStudy): string {
  const hosts = plannedHosts(spec);
  const networks = spec.networks.flatMap((name) => {
    const network = findOfferedNetwork(spec.testbed, name);
    const plans = network.kind === 'planned' ? network.plan({ run: RUN, hosts }) : [];
    return [
      `# ${name}: ${network.what}`,
      ...plans.flatMap(({ host, steps }) => [
        `## on ${host}: ${steps.length} steps`,
        ...steps.map((step) => `${printAction(step.do)}    # ${step.why}`),
      ]),
      '',
    ];
  });
  return [...networks, ...searches(spec)].join('\n');
}

/** The slices after the restarts: how many, only they themselves will tell. */
function searches(spec: ResolvedStudy): string[] {
  if (!wantsMaximum(spec)) return [];
  const { objective, workloads, durationMs } = spec;
  const under = objective === undefined ? '' : ` under ${printObjective(objective)}`;
  return [
    `# After the restarts: a search for the maximum of each network${under}, at most ${MAX_SLICES} slices of ${durationMs} ms each`,
    ...spec.networks.flatMap((network) => workloads.map((workload) => `max-${workload}-${network}-01, …`)),
    '',
  ];
}
