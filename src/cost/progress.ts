import type { CostCell, Finding } from '../schema/index.js';

/** Progress of a run. */
export type CostEvent =
  | { readonly kind: 'restored'; readonly hosts: readonly string[]; readonly steps: number }
  | { readonly kind: 'booting'; readonly kernel: string | null }
  | { readonly kind: 'booted'; readonly kernel: string; readonly ms: number }
  | { readonly kind: 'started'; readonly kernel: string; readonly network: string }
  | {
      readonly kind: 'unmeasured';
      readonly kernel: string;
      readonly network: string;
      readonly finding: Finding;
    }
  | {
      readonly kind: 'measured';
      readonly kernel: string;
      readonly network: string;
      readonly cell: CostCell;
    };
export type OnCostEvent = (event: CostEvent) => void;
