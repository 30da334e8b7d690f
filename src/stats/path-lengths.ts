import type { Cost, NetworkSummary, InstructionsPerRequest, Summary } from '../schema/index.js';

/** Gives each network of a summary what `barewire cost` found of it; a summary of old stays as it is. */
export const withPathLengths = (summary: Summary, cost: Cost | null): Summary =>
  cost === null
    ? summary
    : { ...summary, networks: summary.networks.map((network) => withItsOwn(network, cost)) };

function withItsOwn(network: NetworkSummary, cost: Cost): NetworkSummary {
  const pathLengths = pathLengthsOf(network.name, cost);
  return pathLengths.length === 0 ? network : { ...network, pathLengths };
}

const pathLengthsOf = (name: string, { kernels }: Cost): InstructionsPerRequest[] =>
  kernels.flatMap(({ kernel, networks }) =>
    networks
      .filter((network) => network.name === name)
      .flatMap(({ cells }) =>
        cells.map(({ workload, connections, instructions, difference }) => ({
          kernel,
          workload,
          connections,
          instructions,
          ratio: difference?.ratio ?? null,
        })),
      ),
  );
