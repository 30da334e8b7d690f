import * as z from 'zod';
import { BarewireError, stepSchema, type ErrorCode, type Fault, machineError } from '../schema/index.js';

/** Goes up with every change that an older side would misread. */
export const PROTOCOL = 1;

/** The hello, or why there is none, takes the place of an answer to a request that nobody sends. */
export const HELLO = 0;

const netns = z.string().nullable();

/** What every version's hello has, so that each can name the other. */
export const anyHelloSchema = z.object({ hello: z.object({ protocol: z.number(), version: z.string() }) });

/** The first line each way: who speaks, and in which version. */
export const clientHelloSchema = z.object({
  hello: z.object({
    protocol: z.number(),
    version: z.string(),
    run: z.string(),
    host: z.string(),
    netns,
    alone: z.boolean(),
  }),
});
export const agentHelloSchema = z.object({
  hello: z.object({ protocol: z.number(), version: z.string(), pid: z.number() }),
});

const id = z.number();
const featureSchema = z.discriminatedUnion('kind', [
  z.object({ kind: z.literal('link-type'), type: z.string() }),
  z.object({ kind: z.literal('tool'), name: z.string() }),
]);
const runOptionsSchema = z.object({
  netns: netns.optional(),
  input: z.string().optional(),
  timeoutMs: z.number().optional(),
});

/** A request. A process bears the id of the request that started it. */
export const requestSchema = z.discriminatedUnion('op', [
  z.object({ id, op: z.literal('take'), steps: z.array(stepSchema) }),
  z.object({ id, op: z.literal('undo'), mark: z.number() }),
  z.object({ id, op: z.literal('start'), step: stepSchema }),
  z.object({ id, op: z.literal('write'), process: z.number(), line: z.string() }),
  z.object({ id, op: z.literal('end'), process: z.number() }),
  z.object({ id, op: z.literal('run'), argv: z.array(z.string()), options: runOptionsSchema }),
  z.object({ id, op: z.literal('readFiles'), paths: z.array(z.string()) }),
  z.object({ id, op: z.literal('probe'), features: z.array(featureSchema) }),
  z.object({ id, op: z.literal('environment') }),
]);
export type Request = z.infer<typeof requestSchema>;

export const exitSchema = z.object({
  code: z.number().nullable(),
  signal: z.string().nullable(),
  stderrTail: z.string(),
});

const failureSchema = z.object({
  message: z.string(),
  code: z.string(),
  fault: z.string(),
  hint: z.string().optional(),
});
export type Failure = z.infer<typeof failureSchema>;

/** What the agent says: an answer to a request, or news of a process. */
export const agentMessageSchema = z.union([
  z.object({ id, error: failureSchema }),
  z.object({ id, result: z.unknown() }),
  /** Null at the end of its output. */
  z.object({ process: z.number(), line: z.string().nullable() }),
  z.object({ process: z.number(), exit: exitSchema }),
]);

/** The results by operation. */
export const RESULTS = {
  take: z.object({ mark: z.number(), steps: z.number(), ms: z.number() }),
  undo: z.object({ steps: z.number(), ms: z.number() }),
  start: z.object({ pid: z.number() }),
  run: z.object({
    code: z.number().nullable(),
    signal: z.string().nullable(),
    stdout: z.string(),
    stderr: z.string(),
    ms: z.number(),
  }),
  readFiles: z.object({ atNs: z.number(), files: z.record(z.string(), z.string().nullable()) }),
  probe: z.array(
    z.union([
      z.object({ answer: z.literal('yes') }),
      z.object({ answer: z.enum(['no', 'unknown']), reason: z.string() }),
    ]),
  ),
  environment: z.record(z.string(), z.union([z.string(), z.number(), z.boolean(), z.null()])),
  nothing: z.unknown(),
} as const;

export function toFailure(error: unknown): Failure {
  if (error instanceof BarewireError) {
    const { message, code, fault, hint } = error;
    return { message, code, fault, ...(hint === undefined ? {} : { hint }) };
  }
  return { message: error instanceof Error ? error.message : String(error), code: 'bug', fault: 'bug' };
}

export const fromFailure = ({ message, code, fault, hint }: Failure): BarewireError =>
  // Both sides are of one version, so the far side's codes are ours.
  new BarewireError(message, {
    code: code as ErrorCode,
    fault: fault as Fault,
    ...(hint === undefined ? {} : { hint }),
  });

export const protocolError = (message: string, cause?: unknown): BarewireError =>
  machineError('agent-protocol', message, 'Install the same Barewire version on both sides.', cause);
