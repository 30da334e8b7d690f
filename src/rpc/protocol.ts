import * as z from 'zod';
import { BarewireError, type ErrorCode } from '../schema/index.js';

/**
 * What two processes say to each other, one JSON value per line. Declared once; both sides derive their types from it.
 *
 * The first line each way is a hello. Then the client sends requests with ids, many at a time; the server answers each with a
 * result or an error, and emits events. Either side sends pings and answers them.
 */
export interface Protocol {
  readonly name: string;
  /** Increased with every change that an older side would misread. */
  readonly version: number;
  readonly methods: Readonly<Record<string, { readonly params: z.ZodType; readonly result: z.ZodType }>>;
  readonly events: Readonly<Record<string, z.ZodType>>;
}

export type Method<P extends Protocol> = keyof P['methods'] & string;
export type Params<P extends Protocol, M extends Method<P>> = z.input<P['methods'][M]['params']>;
export type ParsedParams<P extends Protocol, M extends Method<P>> = z.output<P['methods'][M]['params']>;
export type Result<P extends Protocol, M extends Method<P>> = z.output<P['methods'][M]['result']>;
export type EventName<P extends Protocol> = keyof P['events'] & string;
export type EventData<P extends Protocol, E extends EventName<P>> = z.output<P['events'][E]>;

/** How often a side sends a ping, and after how much silence its peer counts as lost. */
export interface Heartbeat {
  readonly intervalMs: number;
  readonly limitMs: number;
}

/** Generous, because an emulated guest on a busy machine may stop for many seconds. */
export const HEARTBEAT: Heartbeat = { intervalMs: 5_000, limitMs: 60_000 };

/** An error as a message or a thread carries it: one codec for both. */
const wireErrorSchema = z.object({
  message: z.string(),
  code: z.string(),
  fault: z.enum(['user', 'machine', 'bug']),
  hint: z.string().optional(),
  cause: z.string().optional(),
});
export type WireError = z.infer<typeof wireErrorSchema>;

export function encodeError(error: unknown): WireError {
  if (!(error instanceof BarewireError)) {
    const message = error instanceof Error ? (error.stack ?? error.message) : String(error);
    return { message, code: 'bug', fault: 'bug' };
  }
  const { message, code, fault, hint, cause } = error;
  return {
    message,
    code,
    fault,
    ...(hint === undefined ? {} : { hint }),
    ...(cause instanceof Error ? { cause: cause.message } : {}),
  };
}

/** Both sides have the same version after the handshake, so the peer's codes are ours. */
export const decodeError = ({ message, code, fault, hint, cause }: WireError): BarewireError =>
  new BarewireError(message, {
    code: code as ErrorCode,
    fault,
    hint,
    ...(cause === undefined ? {} : { cause: new Error(cause) }),
  });

export const helloSchema = z.object({
  hello: z.object({ protocol: z.string(), protocolVersion: z.number(), version: z.string() }),
});
export type Hello = z.infer<typeof helloSchema>['hello'];

const id = z.number();
export const requestSchema = z.object({ id, method: z.string(), params: z.unknown() });
export const messageSchema = z.union([
  helloSchema,
  z.object({ id, error: wireErrorSchema }),
  z.object({ id, result: z.unknown() }),
  z.object({ event: z.string(), data: z.unknown() }),
  z.object({ ping: z.number() }),
  z.object({ pong: z.number() }),
]);

/** The id of the answer to a hello. */
export const HELLO_ID = 0;

/** Null for a line that is not JSON. */
export function parseLine(line: string): unknown {
  try {
    return JSON.parse(line);
  } catch {
    return null;
  }
}

export const describeHello = ({ protocol, protocolVersion, version }: Hello): string =>
  `Barewire ${version} with protocol ${protocol} ${protocolVersion}`;

export const isSameHello = (a: Hello, b: Hello): boolean =>
  a.protocol === b.protocol && a.protocolVersion === b.protocolVersion && a.version === b.version;

export const SAME_VERSION_HINT = 'Install the same Barewire version on both sides.';
