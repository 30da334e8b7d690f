import * as z from 'zod';
import { latencyKeySchema } from './quantiles.js';
import { printRate, rateSchema } from './rate.js';

/** An additional condition for a sustained rate: a latency of each slice below a limit. */
const latencyLimitSchema = z.object({ latency: latencyKeySchema, limitMs: z.number().positive() });
export type LatencyLimit = z.infer<typeof latencyLimitSchema>;

const weight = z.number().positive();
/** The rate whose cells count; null: the rates at 30 to 50 % of the reference's maximum. */
const at = rateSchema.nullable();

/** One thing by which networks are compared. `ln` of its ratio counts with its weight. */
const criterionSchema = z.discriminatedUnion('kind', [
  z.object({ kind: z.literal('latency'), latency: latencyKeySchema, at, weight }),
  z.object({ kind: z.literal('cpu'), at, weight }),
  /** The highest sustained rate, which may also have to keep a latency. */
  z.object({ kind: z.literal('maximum'), limit: latencyLimitSchema.nullable(), weight }),
  /** Steps to set up ten hosts. */
  z.object({ kind: z.literal('setup'), weight }),
]);
export type Criterion = z.infer<typeof criterionSchema>;

/** What the decision of a study minimises: the weighted geometric mean of the ratios of its criteria. */
export const objectiveSchema = z.array(criterionSchema).min(1).readonly();
export type Objective = z.infer<typeof objectiveSchema>;

/** Prints a limit in milliseconds: `p99<2ms`. */
export const printLimit = ({ latency, limitMs }: LatencyLimit): string => `${latency}<${limitMs}ms`;

/** Prints an objective as `--objective` takes it: `p99@50%,max:p99<2ms*2`. */
export const printObjective = (objective: Objective): string => objective.map(printCriterion).join(',');

export function printCriterion(criterion: Criterion): string {
  const suffix = criterion.weight === 1 ? '' : `*${criterion.weight}`;
  return `${printName(criterion)}${suffix}`;
}

function printName(criterion: Criterion): string {
  switch (criterion.kind) {
    case 'latency':
      return `${criterion.latency}${criterion.at === null ? '' : `@${printRate(criterion.at)}`}`;
    case 'cpu':
      return `cpu${criterion.at === null ? '' : `@${printRate(criterion.at)}`}`;
    case 'maximum':
      return criterion.limit === null ? 'max' : `max:${printLimit(criterion.limit)}`;
    case 'setup':
      return 'setup';
  }
}

/** The latency that a sustained rate must keep, if the objective has one. */
export const findLimit = (objective: Objective | undefined): LatencyLimit | undefined =>
  objective?.flatMap((one) => (one.kind === 'maximum' && one.limit !== null ? [one.limit] : []))[0];

/** Whether the maxima of the networks are part of an objective. */
export const needsMaxima = (objective: Objective | undefined): boolean =>
  objective?.some(({ kind }) => kind === 'maximum') ?? false;
