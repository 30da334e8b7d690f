import * as z from 'zod';
import type { Protocol } from '../../rpc/index.js';
import { loadPlanSchema, loadReadingSchema, loadResultSchema } from '../../schema/index.js';

/** The namespace of the load, by name; null is the process's own. */
const netns = z.string().nullable();

const keptSet = z.object({ set: z.string(), ofSets: z.number().int().positive() });

/** The protocol of a generator process, over its standard input and output. Requests are handled one after another. */
export const GENERATOR_PROTOCOL = {
  name: 'generator',
  version: 4,
  methods: {
    warmUp: {
      params: z.object({
        threads: z.number().int().positive(),
        pacings: z.array(z.enum(['closed', 'constant', 'poisson'])),
      }),
      result: z.null(),
    },
    check: {
      params: z.object({ ...loadPlanSchema.pick({ target: true, expect: true }).shape, netns }),
      result: z.object({
        status: z.number(),
        headerBytes: z.number(),
        bodyBytes: z.number(),
        body: z.string(),
        location: z.string().nullable(),
      }),
    },
    /** Keeps its connections open under a name; null closes them. */
    run: {
      params: z.object({ plan: loadPlanSchema, netns, keep: keptSet.nullable() }),
      result: loadResultSchema,
    },
  },
  events: {
    /** The load of a run starts, or its recorded window opens or closes. */
    window: z.enum(['start', 'open', 'close']),
    /** An interim report of a run. */
    reading: loadReadingSchema,
  },
} as const satisfies Protocol;
