import * as z from 'zod';
import { caveatSchema, findingSchema } from './finding.js';
import { ablationSchema } from './tuning.js';

/** Instructions per request, client and server together. */
export const instructionsSchema = z.object({
  total: z.number(),
  user: z.number(),
  kernel: z.number(),
});

/** The difference from the reference in the same guest, workload and connections: instructions per request, and the ratio of the totals. */
const costDifferenceSchema = instructionsSchema.extend({ ratio: z.number() });

const costCellSchema = z.object({
  workload: z.string(),
  connections: z.number().int().positive(),
  instructions: instructionsSchema,
  /** The total of each repeat. The result is their median. */
  repeats: z.array(z.number()),
  /** The greatest deviation of a repeat from the median, as a share: 0.005 is ±0.5 %. */
  spread: z.number(),
  /** False when the spread exceeds the limit. */
  steady: z.boolean(),
  /** Null for the reference, and where the reference has no result. */
  difference: costDifferenceSchema.nullable(),
  /** Kernel instructions per request by group of functions, the largest first. */
  groups: z.array(z.object({ name: z.string(), instructions: z.number() })),
  /** The functions with the most instructions, with their group. */
  functions: z.array(z.object({ name: z.string(), group: z.string(), instructions: z.number() })),
  /** Requests of the trace that divides the total. */
  tracedRequests: z.number(),
  /** The total per request by that trace, without the guest's clock: a check of the total above. */
  tracedTotal: z.number(),
});
export type CostCell = z.infer<typeof costCellSchema>;

const networkCostSchema = z.object({
  name: z.string(),
  /** One line from the catalog. */
  what: z.string(),
  status: z.enum(['measured', 'unsupported', 'failed']),
  finding: findingSchema.nullable(),
  /** What its figures do not show. */
  caveat: caveatSchema.optional(),
  cells: z.array(costCellSchema),
});
export type NetworkCost = z.infer<typeof networkCostSchema>;

const kernelCostSchema = z.object({
  /** As `uname -r` prints it. */
  kernel: z.string(),
  networks: z.array(networkCostSchema),
});
export type KernelCost = z.infer<typeof kernelCostSchema>;

/** cost.json: the result of `barewire cost`. */
export const costSchema = z.object({
  schema: z.literal(2),
  version: z.string(),
  startedAt: z.string(),
  wallS: z.number(),
  reference: z.string(),
  client: z.string(),
  server: z.string(),
  emulator: z.string(),
  /** What the knobs of a profile cost. Then networks have names such as `host@notrack`, and each differs from its own `host@none`. */
  ablation: ablationSchema.extend({ profile: z.string() }).optional(),
  /** Shown at the top: counts that do not repeat or contradict each other. */
  warnings: z.array(findingSchema),
  /** One for each kernel, in the order of the request. */
  kernels: z.array(kernelCostSchema),
});
export type Cost = z.infer<typeof costSchema>;
