import * as z from 'zod';

/** A requested rate: requests per second, or a share (0 to 1) of the reference's maximum. */
export const rateSchema = z.discriminatedUnion('kind', [
  z.object({ kind: z.literal('absolute'), rps: z.number().positive() }),
  z.object({ kind: z.literal('share'), ofMax: z.number().positive() }),
]);
export type Rate = z.infer<typeof rateSchema>;

/** `50%` of the reference's maximum, or requests per second. */
export const printRate = (rate: Rate): string =>
  rate.kind === 'share' ? `${Number((rate.ofMax * 100).toPrecision(6))}%` : String(rate.rps);

/** How the rates of a study are those of the article of 2015: as they are, or as shares of the reference's maximum. */
export const articleSchema = z.enum(['full', 'scaled']);
