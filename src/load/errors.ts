import { BarewireError, type ErrorCode, type ErrorFacts, machineError, userError } from '../schema/index.js';

export const loadFailed = (message: string, hint: string, cause?: unknown): BarewireError =>
  machineError('load-failed', message, hint, cause);

export const interrupted = (): BarewireError =>
  userError('The load was interrupted before its end.', '', { code: 'interrupted' });

/** An error as a message carries it from thread to thread, or from process to process. */
export interface SentError {
  readonly message: string;
  readonly code: ErrorCode;
  readonly fault: ErrorFacts['fault'];
  readonly hint: string | null;
}

export function sendable(error: unknown): SentError {
  if (error instanceof BarewireError)
    return { message: error.message, code: error.code, fault: error.fault, hint: error.hint ?? null };
  const message = error instanceof Error ? (error.stack ?? error.message) : String(error);
  return { message, code: 'bug', fault: 'bug', hint: null };
}

export const received = ({ message, code, fault, hint }: SentError): BarewireError =>
  new BarewireError(message, { code, fault, ...(hint === null ? {} : { hint }) });
