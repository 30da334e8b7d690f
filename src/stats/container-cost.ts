import { BARE, type Estimate, type NetworkSummary, type Summary } from '../schema/index.js';

/**
 * What a container adds: the reference in a container over the same programs without one, at each workload and rate. The
 * ratios of the latter to the reference are paired within the round; their inverses are too.
 */
export function listContainerCosts(networks: readonly NetworkSummary[]): Pick<Summary, 'container'> {
  const bare = networks.find(({ name }) => name === BARE);
  if (bare === undefined) return {};
  return {
    container: bare.cells.map(({ workload, rateRps, rateOfMax, ratioToReference, cpuRatioToReference }) => ({
      workload,
      rateRps,
      rateOfMax,
      latency: Object.fromEntries(
        Object.entries(ratioToReference).map(([key, ratio]) => [key, invert(ratio)]),
      ),
      cpu: cpuRatioToReference === undefined ? null : invert(cpuRatioToReference),
    })),
  };
}

function invert(ratio: Estimate): Estimate {
  if (ratio.value === null) return ratio;
  const inverse = (end: number | null): number | null => (end === null ? null : 1 / end);
  return { value: 1 / ratio.value, low: inverse(ratio.high), high: inverse(ratio.low) };
}
