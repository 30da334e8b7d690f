import type { CellTrials, ValidTrial } from './cells.js';
import { meanOf, type Estimated } from './estimate.js';

/** ln of the CPU microseconds that a request costs on both sides together, over the blocks. */
export const cpuEstimate = (cell: CellTrials): Estimated => overBlocks(byBlock(cell));

/** ln of the ratio of two cells' costs in the same blocks. */
export function cpuRatioEstimate(above: CellTrials, below: CellTrials): Estimated {
  const [a, b] = [byBlock(above), byBlock(below)];
  const pairs = [...a].flatMap(([block, log]): [number, number][] => {
    const other = b.get(block);
    return other === undefined ? [] : [[block, log - other]];
  });
  return pairs.length === 0 && a.size > 0 && b.size > 0
    ? { why: 'no block has a valid trial of both' }
    : overBlocks(new Map(pairs));
}

function overBlocks(logs: ReadonlyMap<number, number>): Estimated {
  const values = [...logs.values()];
  if (values.length === 0) return { why: 'no valid trial' };
  return values.every(Number.isFinite) ? meanOf(values, values.length) : { why: 'no CPU time was counted' };
}

function byBlock({ valid }: CellTrials): Map<number, number> {
  const blocks = new Map<number, number[]>();
  for (const trial of valid)
    blocks.set(trial.record.block, [...(blocks.get(trial.record.block) ?? []), Math.log(totalUs(trial))]);
  return new Map([...blocks].map(([block, logs]) => [block, logs.reduce((a, b) => a + b, 0) / logs.length]));
}

const totalUs = ({ record: { metrics } }: ValidTrial): number =>
  [metrics.client, metrics.server]
    .flatMap(({ cpuUsPerRequest: { user, system, softirq } }) => [user, system, softirq])
    .reduce((sum, us) => sum + us, 0);
