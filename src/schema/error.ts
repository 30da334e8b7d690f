/** Whose fault it is, and so what the exit status is: `user` 2, `machine` 3, `bug` 1. */
export type Fault = 'user' | 'machine' | 'bug';

/** The closed set of things that go wrong. A code is for programs; the message is for people. */
export type ErrorCode =
  | 'bad-input'
  | 'no-such-file'
  | 'not-root'
  | 'missing-tool'
  | 'missing-kernel-feature'
  | 'locked'
  | 'step-failed'
  | 'undo-failed'
  | 'host-unreachable'
  | 'host-unsupported'
  | 'agent-lost'
  | 'agent-protocol'
  | 'process-failed'
  | 'server-not-ready'
  | 'path-check-failed'
  | 'load-failed'
  | 'disk'
  | 'results-damaged'
  | 'timed-out'
  | 'interrupted'
  | 'bug';

export interface ErrorFacts {
  readonly code: ErrorCode;
  readonly fault: Fault;
  /** What to do about it, one sentence. */
  readonly hint?: string;
  readonly cause?: unknown;
}

/** What Barewire throws. The message says what happened, the value and the place; the hint says what to do. */
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
