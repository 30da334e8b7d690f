import * as z from 'zod';

/** What one must know of a network beyond its figures, with the document that says so. */
export const networkFactSchema = z.object({
  kind: z.enum(['needs', 'forbids', 'offers']),
  what: z.string(),
  source: z.string(),
});
export type NetworkFact = z.infer<typeof networkFactSchema>;
