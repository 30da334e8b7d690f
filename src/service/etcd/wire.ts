/**
 * The JSON that etcd's gateway sends: 64-bit numbers are decimal strings, bytes are base64, and zero, false and
 * empty values are omitted.
 */
import * as z from 'zod';
import { BarewireError } from '../../schema/index.js';

/** An id stays a string: lease ids exceed 2^53. */
const id = z.string().regex(/^\d+$/);
const revision = z.string().regex(/^\d+$/).default('0').transform(BigInt);
const text = z
  .base64()
  .default('')
  .transform((encoded) => Buffer.from(encoded, 'base64').toString('utf8'));
const header = z.object({ cluster_id: id.default('0'), revision });
const seconds = z
  .string()
  .regex(/^-?\d+$/)
  .default('0')
  .transform(Number);

const keyValue = z
  .object({
    key: text,
    value: text,
    create_revision: revision,
    mod_revision: revision,
    lease: id.default('0'),
  })
  .transform(({ key, value, create_revision, mod_revision, lease }) => ({
    key,
    value,
    createRevision: create_revision,
    modRevision: mod_revision,
    /** `0` without a lease. */
    lease,
  }));
export type KeyValue = Readonly<z.output<typeof keyValue>>;

export interface RangeResult {
  readonly clusterId: string;
  readonly revision: bigint;
  readonly entries: readonly KeyValue[];
}

const pairs = z.array(keyValue).default([]);
export const rangeAnswer = z.object({ header, kvs: pairs });
export const transactionAnswer = z.object({
  header,
  succeeded: z.boolean().default(false),
  responses: z.array(z.object({ response_range: z.object({ kvs: pairs }).optional() })).default([]),
});
export const grantAnswer = z.object({ TTL: seconds });
export const revokeAnswer = z.object({});
export const keepAliveAnswer = z.object({ result: z.object({ TTL: seconds }) });
export const timeToLiveAnswer = z.object({ TTL: seconds, keys: z.array(text).default([]) });
export const authenticateAnswer = z.object({ token: z.string() });

/** etcd 3.4 and 3.6 name the status of a stream's error differently. */
const streamError = z.object({
  message: z.string().default(''),
  code: z.number().optional(),
  grpc_code: z.number().optional(),
});
export const watchAnswer = z.object({
  result: z
    .object({
      header,
      created: z.boolean().default(false),
      canceled: z.boolean().default(false),
      compact_revision: revision,
      cancel_reason: z.string().default(''),
      events: z.array(z.object({ type: z.enum(['PUT', 'DELETE']).default('PUT'), kv: keyValue })).default([]),
    })
    .optional(),
  error: streamError.optional(),
});
const errorAnswer = z.object({
  code: z.number(),
  message: z.string().optional(),
  error: z.string().optional(),
});

/** Status codes of gRPC that are decided by. */
export const STATUS = {
  notFound: 5,
  permissionDenied: 7,
  failedPrecondition: 9,
  unauthenticated: 16,
} as const;
/** Cancelled, unknown, deadline exceeded, resource exhausted, internal, unavailable: another member may answer. */
const TRANSIENT = [1, 2, 4, 8, 13, 14];

/** An answer of etcd that is an error. */
export class EtcdRefusal extends BarewireError {
  /** Of gRPC. */
  readonly status: number;

  constructor(path: string, status: number, message: string) {
    super(`etcd refused ${path}: ${message}`, {
      code: 'etcd-refused',
      fault: 'machine',
      hint:
        status === STATUS.permissionDenied || status === STATUS.unauthenticated
          ? 'Check the user name and the password, and that the role may read and write the prefix.'
          : 'Check the version of etcd (3.4 or newer) and its log.',
    });
    this.status = status;
  }

  get isTransient(): boolean {
    return TRANSIENT.includes(this.status);
  }

  /** True when another token may be accepted: this one has expired, or users and roles have changed. */
  get needsToken(): boolean {
    return (
      this.status === STATUS.unauthenticated ||
      /auth store is old|user name is empty|invalid auth token/.test(this.message)
    );
  }
}

/** The refusal in the body of an answer whose HTTP status is not 200. */
export function parseRefusal(path: string, httpStatus: number, body: string): EtcdRefusal {
  const parsed = errorAnswer.safeParse(parseJson(body));
  if (parsed.success) {
    const { code, message, error } = parsed.data;
    return new EtcdRefusal(path, code, message ?? error ?? body);
  }
  // Not from the gateway: a proxy, or a server without one.
  const unavailable = 14;
  const unimplemented = 12;
  return new EtcdRefusal(path, httpStatus === 404 ? unimplemented : unavailable, `HTTP status ${httpStatus}`);
}

export function parseJson(body: string): unknown {
  try {
    return JSON.parse(body);
  } catch {
    return undefined;
  }
}

export const encode = (value: string): string => Buffer.from(value, 'utf8').toString('base64');

/** The `range_end` for all keys with a prefix: the prefix with its last byte increased. */
export function prefixEnd(prefix: string): string {
  const bytes = Buffer.from(prefix, 'utf8');
  // No byte of UTF-8 is 0xff.
  bytes[bytes.length - 1] = (bytes.at(-1) ?? 0) + 1;
  return bytes.toString('base64');
}
