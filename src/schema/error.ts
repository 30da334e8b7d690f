import type catalogue from './errors.json';

/** Who has to act, and so the exit status: `user` 2, `machine` 3, `bug` 1. */
export type Fault = 'user' | 'machine' | 'bug';

/** The closed set of errors. A code is for programs; the message is for people. docs/errors.md has cause and remedy of each. */
export type ErrorCode = keyof typeof catalogue;

export interface ErrorFacts {
  readonly code: ErrorCode;
  readonly fault: Fault;
  /** What to do, one sentence. */
  readonly hint?: string | undefined;
  readonly cause?: unknown;
}

/**
 * The error that Barewire throws. The message says what failed with the value and its position; the hint says
 * what to do.
 */
export class BarewireError extends Error {
  override readonly name = 'BarewireError';
  readonly code: ErrorCode;
  readonly fault: Fault;
  readonly hint: string | undefined;

  constructor(message: string, facts: ErrorFacts) {
    super(message, facts.cause === undefined ? undefined : { cause: facts.cause });
    this.code = facts.code;
    this.fault = facts.fault;
    this.hint = facts.hint;
  }
}

interface UserErrorOptions {
  readonly code?: ErrorCode;
  readonly cause?: unknown;
}

/** The request is wrong: exit status 2. The code is `bad-input` unless another one is given. */
export const userError = (
  message: string,
  hint: string,
  { code = 'bad-input', cause }: UserErrorOptions = {},
): BarewireError => new BarewireError(message, { code, fault: 'user', hint, cause });

/** This machine or a host cannot do what was requested: exit status 3. */
export const machineError = (
  code: ErrorCode,
  message: string,
  hint: string,
  cause?: unknown,
): BarewireError => new BarewireError(message, { code, fault: 'machine', hint, cause });

/** A defect of Barewire: exit status 1. */
export const bug = (message: string, cause?: unknown): BarewireError =>
  new BarewireError(message, { code: 'bug', fault: 'bug', cause });

/** The message of what was thrown. A host name with several addresses gives one error for each of them. */
export function messageOf(thrown: unknown): string {
  if (thrown instanceof AggregateError) return thrown.errors.map(messageOf).join(', ');
  return thrown instanceof Error ? thrown.message : String(thrown);
}

const FILE_FAULTS: Readonly<Record<string, string>> = {
  ENOENT: 'there is no such file',
  EISDIR: 'it is a directory',
  ENOTDIR: 'a part of its path is not a directory',
  EACCES: 'permission denied',
  ELOOP: 'its symbolic links form a circle',
  ENAMETOOLONG: 'its name is too long',
};

/** Why the system refused a file, in words. */
export function fileFault(thrown: unknown): string {
  const { code = '' } = thrown as NodeJS.ErrnoException;
  return (Object.hasOwn(FILE_FAULTS, code) ? FILE_FAULTS[code] : undefined) ?? messageOf(thrown);
}
