import type { Terminal } from './terminal.js';

/** What every command receives. */
export interface Context {
  readonly terminal: Terminal;
  /** Aborted by Ctrl-C, SIGTERM and SIGHUP. */
  readonly signal: AbortSignal;
  readonly version: string;
  /** Sets exit status 1: the command ran, but something in it failed. */
  readonly fail: () => void;
}
