import { findNetwork } from '../network/index.js';
import { printAction, type ResolvedStudy } from '../schema/index.js';
import { plannedHosts } from '../testbed/index.js';

const RUN = 'dryrun';

/** Every step of every network, as a reader would type it; changes nothing and needs no rights. */
export function dryRun(spec: ResolvedStudy): string {
  const hosts = plannedHosts(spec);
  return spec.networks
    .flatMap((name) => {
      const network = findNetwork(name);
      const plans = network.plan({ run: RUN, hosts });
      return [
        `# ${name}: ${network.what}`,
        ...plans.flatMap(({ host, steps }) => [
          `## on ${host}: ${steps.length} steps`,
          ...steps.map((step) => `${printAction(step.do)}    # ${step.why}`),
        ]),
        '',
      ];
    })
    .join('\n');
}
