import type { CostCell } from '../schema/index.js';

/** What a run tells while it goes on. */
export type CostEvent =
  | { readonly kind: 'restored'; readonly hosts: readonly string[]; readonly steps: number }
  | { readonly kind: 'booting'; readonly kernel: string | null }
  | { readonly kind: 'booted'; readonly kernel: string; readonly ms: number }
  | { readonly kind: 'started'; readonly kernel: string; readonly network: string }
  | {
      readonly kind: 'unmeasured';
      readonly kernel: string;
      readonly network: string;
      readonly reason: string;
    }
  | {
      readonly kind: 'measured';
      readonly kernel: string;
      readonly network: string;
      readonly cell: CostCell;
    };
export type OnCostEvent = (event: CostEvent) => void;
