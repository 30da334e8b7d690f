import { type Cell, type CpuCost, type NetworkSummary, type Summary } from '../schema/index.js';
import { paragraph, type Block } from './document.js';
import { three, whole } from './number.js';
import { CPU_KINDS, sumCpu } from './rate-groups.js';

/** Parts of a difference below this share are not worth a word. */
const LEAST_SHARE = 0.1;
const MOST_PARTS = 3;
const KIND_NAMES = { user: 'user code', system: 'system calls', softirq: 'softirq' } as const;

/** Why the next network after the chosen one is slower: where its additional CPU time and instructions are. */
export function whyBlocks({ decision, networks }: Summary): readonly Block[] {
  const other = decision?.runnersUp.find(({ tie }) => !tie);
  if (decision === null || other === undefined) return [];
  const [best, slower] = [decision.network, other.network].map((name) =>
    networks.find((network) => network.name === name),
  );
  if (best === undefined || slower === undefined) return [];
  return [describeCpu(best, slower), describeInstructions(best, slower)].flatMap((sentence) =>
    sentence === null ? [] : [paragraph(sentence)],
  );
}

function describeCpu(best: NetworkSummary, slower: NetworkSummary): string | null {
  const pair = highestCommonRate(best.cells, slower.cells);
  if (pair === null) return null;
  const [low, high] = pair;
  const parts = (['client', 'server'] as const).flatMap((side) =>
    CPU_KINDS.map((kind) => ({
      name: `${KIND_NAMES[kind]} on the ${side}`,
      size: high.cpu[side][kind] - low.cpu[side][kind],
    })),
  );
  const [more, total] = [parts.reduce((sum, { size }) => sum + size, 0), sumBoth(low.cpu)];
  if (more <= 0.01 * total) return null;
  const { workload, rateRps } = high.cell;
  return (
    `Why ${slower.name} is slower than ${best.name}: at ${workload} ${whole(rateRps)}/s it takes ${three(more)} µs of CPU time more per request ` +
    `(${three(sumBoth(high.cpu))} instead of ${three(total)}): ${listParts(parts, more, three)}.`
  );
}

/** Of `barewire cost`, where it was run: they do not depend on the load of the machine. */
function describeInstructions(best: NetworkSummary, slower: NetworkSummary): string | null {
  const [low, high] = [best.instructions?.[0], slower.instructions?.[0]];
  if (low?.groups === undefined || high?.groups === undefined) return null;
  const more = high.instructions.total - low.instructions.total;
  if (more <= 0) return null;
  const parts = high.groups.map(({ name, instructions }) => ({
    name,
    size: instructions - (low.groups?.find((group) => group.name === name)?.instructions ?? 0),
  }));
  return `It executes ${whole(more)} instructions more per request: ${listParts(parts, more, whole)}.`;
}

function listParts(
  parts: readonly { readonly name: string; readonly size: number }[],
  total: number,
  print: (size: number) => string,
): string {
  const largest = parts
    .filter(({ size }) => size >= LEAST_SHARE * total)
    .sort((a, b) => b.size - a.size)
    .slice(0, MOST_PARTS);
  return largest.length === 0
    ? 'spread over all of its parts'
    : largest.map(({ name, size }) => `${print(size)} more in ${name}`).join(', ');
}

interface CellCpu {
  readonly cell: Cell;
  readonly cpu: NonNullable<Cell['cpuUsPerRequest']>;
}

const sumBoth = ({ client, server }: { readonly client: CpuCost; readonly server: CpuCost }): number =>
  sumCpu(client) + sumCpu(server);

/** At a rate that both sustain. */
function highestCommonRate(a: readonly Cell[], b: readonly Cell[]): readonly [CellCpu, CellCpu] | null {
  const pairs = a.flatMap((cell): [CellCpu, CellCpu][] => {
    const other = b.find(({ workload, rateRps }) => workload === cell.workload && rateRps === cell.rateRps);
    const [cpu, otherCpu] = [cell.cpuUsPerRequest, other?.cpuUsPerRequest ?? null];
    if (other === undefined || cpu === null || otherCpu === null) return [];
    if (cell.sustained === false || other.sustained === false) return [];
    return [
      [
        { cell, cpu },
        { cell: other, cpu: otherCpu },
      ],
    ];
  });
  return pairs.sort(([one], [two]) => two.cell.rateRps - one.cell.rateRps)[0] ?? null;
}
