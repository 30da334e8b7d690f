import type { Terminal } from './terminal.js';

/** What every command is given. */
export interface Context {
  readonly terminal: Terminal;
  /** Aborted by Ctrl-C, SIGTERM and SIGHUP. */
  readonly signal: AbortSignal;
  readonly version: string;
  /** The command did its work, but something in it failed: exit status 1. */
  readonly fail: () => void;
}
