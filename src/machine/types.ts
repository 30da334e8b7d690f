import type * as z from 'zod';
import type { Environment, Step } from '../schema/index.js';
import type {
  appliedSchema,
  exitSchema,
  featureSchema,
  filesReadSchema,
  probeResultSchema,
  runOptionsSchema,
  runResultSchema,
  undoneSchema,
} from './agent-protocol.js';

export type RunResult = z.infer<typeof runResultSchema>;
export type RunOptions = z.infer<typeof runOptionsSchema>;
export type Exit = z.infer<typeof exitSchema>;
export type Applied = z.infer<typeof appliedSchema>;
export type Undone = z.infer<typeof undoneSchema>;
export type FilesRead = z.infer<typeof filesReadSchema>;
export type Feature = z.infer<typeof featureSchema>;
export type ProbeResult = z.infer<typeof probeResultSchema>;

/** A process that a step started. Disposing ends it with its whole session and waits until it is gone. */
export interface RunningProcess extends AsyncDisposable {
  readonly name: string;
  readonly pid: number;
  /** Writes one line to its standard input. */
  writeLine(line: string): Promise<void>;
  /** The next line of its standard output; null at the end. */
  readLine(signal?: AbortSignal): Promise<string | null>;
  /** Resolves when it has ended, whoever ended it, with the last lines of its standard error. */
  readonly exited: Promise<Exit>;
}

/**
 * One host, here or at the far end of an agent's connection. Every change goes through `take` or `start`, is journaled
 * and synced first, and is undone by `undo`; disposing undoes all that is left.
 */
export interface Machine extends AsyncDisposable {
  readonly name: string;
  /** What starts the bundle there, `[node, agent.mjs]`; undefined where it is this process's own. */
  readonly bundle?: readonly string[];
  /** Takes steps in order. Stops at the first that fails with a `step-failed` that names it; what was taken stays journaled. */
  apply(steps: readonly Step[]): Promise<Applied>;
  /** Undoes, newest first, what was taken since `mark` (all of it by default). */
  undo(mark?: number): Promise<Undone>;
  /** Takes a step whose action is a process, and holds on to it. */
  start(step: Step): Promise<RunningProcess>;
  /** Runs a program that changes nothing (a probe, a ping) to its end. A non-zero exit is a result, not an error. */
  run(argv: readonly string[], options?: RunOptions): Promise<RunResult>;
  readFiles(paths: readonly string[]): Promise<FilesRead>;
  probe(features: readonly Feature[]): Promise<readonly ProbeResult[]>;
  environment(): Promise<Environment>;
}

/** Who makes the changes: the run's id (also the prefix of every name it gives) and the host. */
export interface MachineIdentity {
  /** Lower-case letters and digits, at most 6. */
  readonly run: string;
  readonly host: string;
  /** The namespace that is this host, by name; null for the machine itself. */
  readonly netns: string | null;
}

/** How the agent is reached. */
export interface AgentTransport {
  /** What is put before the agent's command: what enters the host. */
  readonly prefix: readonly string[];
  /** The prefix ends in a shell, as ssh's does: the words after it are quoted for one. */
  readonly throughShell?: boolean;
  /** What starts the bundle in the host, where it is not this node and this bundle: `[node, agent.mjs]`. */
  readonly bundle?: readonly string[];
  /** The host is a machine of its own: the agent locks it, and first undoes what runs that ended have left on it. */
  readonly standalone?: boolean;
  /** What is known of the host from outside; its environment tells it too. */
  readonly facts?: Environment;
  /** What the host said last on a way of its own (a console), for the error when it is lost. */
  readonly lastWords?: () => string;
  /** Cuts the connection when it is aborted, for a host that answers no more; the agent at its end then undoes its steps. */
  readonly signal?: AbortSignal;
}
