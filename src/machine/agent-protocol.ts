import * as z from 'zod';
import type { Protocol } from '../rpc/index.js';
import {
  changedSettingSchema,
  environmentSchema,
  stepSchema,
  verifiedSettingSchema,
} from '../schema/index.js';

const netns = z.string().nullable();
const processId = z.number();

export const appliedSchema = z.object({
  /** The position in the journal before the steps. */
  mark: z.number(),
  steps: z.number(),
  ms: z.number(),
});
export const undoneSchema = z.object({
  steps: z.number(),
  ms: z.number(),
  changed: z.array(changedSettingSchema),
});
/** `code` is null when a signal ended the program. */
export const runResultSchema = z.object({
  code: z.number().nullable(),
  signal: z.string().nullable(),
  stdout: z.string(),
  stderr: z.string(),
  ms: z.number(),
});
export const runOptionsSchema = z.object({
  /** The name of the namespace to run in; null (the default) is the host's own. */
  netns: netns.optional(),
  input: z.string().optional(),
  timeoutMs: z.number().optional(),
});
export const exitSchema = z.object({
  code: z.number().nullable(),
  signal: z.string().nullable(),
  stderrTail: z.string(),
});
/**
 * Files read one after another; null for a missing file. `atNs` is the host's monotonic clock in the middle of reading the first
 * one, and `spanNs` how long that took: a reader that is preempted in between does not know when it read.
 */
export const filesReadSchema = z.object({
  atNs: z.number(),
  spanNs: z.number(),
  files: z.record(z.string(), z.string().nullable()),
});
/** A journal that was undone. */
export const undoneJournalSchema = z.object({
  run: z.string(),
  host: z.string(),
  /** UTC, ISO 8601. */
  since: z.string(),
  steps: z.number(),
  changed: z.array(changedSettingSchema),
});
/** Steps that stay when their owner ends. */
export const keptStepsSchema = z.object({
  run: z.string(),
  host: z.string(),
  since: z.string(),
  label: z.string(),
  /** The machine was rebooted since, which has reset all settings. */
  rebooted: z.boolean(),
  settings: z.array(verifiedSettingSchema),
});
/** Something that a kernel or a machine may have. */
export const featureSchema = z.discriminatedUnion('kind', [
  z.object({ kind: z.literal('link-type'), type: z.string() }),
  z.object({ kind: z.literal('tool'), name: z.string() }),
]);
/** Three results: an inconclusive probe must not count as a no. */
export const probeResultSchema = z.union([
  z.object({ answer: z.literal('yes') }),
  z.object({ answer: z.enum(['no', 'unknown']), reason: z.string() }),
]);

/** The protocol of an agent. Its first request is `open`. */
export const AGENT_PROTOCOL = {
  name: 'agent',
  version: 4,
  methods: {
    open: {
      params: z.object({
        run: z.string(),
        host: z.string(),
        netns,
        standalone: z.boolean(),
        unprivileged: z.boolean(),
      }),
      result: z.object({ pid: z.number() }),
    },
    apply: { params: z.object({ steps: z.array(stepSchema) }), result: appliedSchema },
    /** Without `steps` all since the mark. */
    undo: { params: z.object({ mark: z.number(), steps: z.number().optional() }), result: undoneSchema },
    /** The caller chooses the number that identifies the process from then on. */
    start: {
      params: z.object({ process: processId, step: stepSchema }),
      result: z.object({ pid: z.number() }),
    },
    write: { params: z.object({ process: processId, line: z.string() }), result: z.null() },
    stop: { params: z.object({ process: processId }), result: z.null() },
    run: {
      params: z.object({ argv: z.array(z.string()), options: runOptionsSchema }),
      result: runResultSchema,
    },
    readFiles: { params: z.object({ paths: z.array(z.string()) }), result: filesReadSchema },
    probe: { params: z.object({ features: z.array(featureSchema) }), result: z.array(probeResultSchema) },
    environment: { params: z.object({}), result: environmentSchema },
    verify: { params: z.object({}), result: z.array(verifiedSettingSchema) },
    keep: { params: z.object({ label: z.string() }), result: z.null() },
    listKept: { params: z.object({}), result: z.array(keptStepsSchema) },
    undoKept: { params: z.object({}), result: z.array(undoneJournalSchema) },
    /**
     * Undoes all steps; the agent then exits. Only its answer is the end of an agent: the status of the program that connects to it
     * may be 0 although the agent still runs (kubectl exec when containerd is killed).
     */
    close: { params: z.object({}), result: z.null() },
  },
  events: {
    /** A line of a process's standard output; null at its end. */
    line: z.object({ process: processId, line: z.string().nullable() }),
    exit: z.object({ process: processId, exit: exitSchema }),
  },
} as const satisfies Protocol;
