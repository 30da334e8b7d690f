import type { SliceFigures } from '../schema/index.js';
import { selectCellSlices, type SliceData } from './cells.js';
import { sumCpuUs } from './cpu.js';
import { quantileRank } from './order-ranks.js';
import { findUnsupported, MS_PER_NS } from './quantile-estimates.js';
import { Samples } from './samples.js';

/** The figures of each valid slice, for programs that compare samples themselves. */
export const listSliceFigures = (slices: readonly SliceData[]): readonly SliceFigures[] =>
  selectCellSlices(slices).flatMap(({ record, response }): SliceFigures[] => {
    if (record.status !== 'measured' || !record.valid || response === null) return [];
    const { network, workload, rateRps, rateOfMax, role, load } = record;
    const samples = Samples.from(response, load.intended);
    const quantile = (p: number): number | null => {
      const cell =
        findUnsupported(samples, p) === null ? samples.atRank(quantileRank(samples.intended, p)) : null;
      return cell === null ? null : cell.highNs * MS_PER_NS;
    };
    return [
      {
        network: role === 'control' ? `${network}-control` : network,
        workload,
        rateRps,
        rateOfMax,
        requests: load.requests,
        p50Ms: quantile(0.5),
        p99Ms: quantile(0.99),
        cpuUs: sumCpuUs(record),
      },
    ];
  });
