import type * as z from 'zod';
import type { Environment, Step, VerifiedSetting } from '../schema/index.js';
import type {
  appliedSchema,
  exitSchema,
  featureSchema,
  filesReadSchema,
  probeResultSchema,
  runOptionsSchema,
  keptStepsSchema,
  runResultSchema,
  undoneJournalSchema,
  undoneSchema,
} from './agent-protocol.js';

export type RunResult = z.infer<typeof runResultSchema>;
export type RunOptions = z.infer<typeof runOptionsSchema>;
export type Exit = z.infer<typeof exitSchema>;
export type Applied = z.infer<typeof appliedSchema>;
export type Undone = z.infer<typeof undoneSchema>;
/** Steps that stay when their owner ends. */
export type KeptSteps = z.infer<typeof keptStepsSchema>;
/** A journal that was undone. */
export type UndoneJournal = z.infer<typeof undoneJournalSchema>;
export type FilesRead = z.infer<typeof filesReadSchema>;
export type Feature = z.infer<typeof featureSchema>;
export type ProbeResult = z.infer<typeof probeResultSchema>;

/** A process that a step started. Disposing stops its whole session and waits until it has exited. */
export interface RunningProcess extends AsyncDisposable {
  readonly name: string;
  readonly pid: number;
  /** Writes one line to its standard input. */
  writeLine(line: string): Promise<void>;
  /** The next line of its standard output; null at the end. */
  readLine(signal?: AbortSignal): Promise<string | null>;
  /** Resolves when the process has exited, with the last lines of its standard error. */
  readonly exited: Promise<Exit>;
}

/**
 * One host, local or driven by an agent. Every change goes through `apply` or `start`, is journaled and
 * synced first, and is undone by `undo`; disposing undoes everything that is left.
 */
export interface Machine extends AsyncDisposable {
  readonly name: string;
  /** The command that starts the bundle there, `[node, agent.mjs]`; undefined for this process's own. */
  readonly bundle?: readonly string[];
  /**
   * Applies steps in order. Stops at the first that fails with `step-failed`, which names it; the applied
   * ones stay journaled.
   */
  apply(steps: readonly Step[]): Promise<Applied>;
  /** Undoes the steps since `mark` (all by default), newest first, or only so many from there. */
  undo(mark?: number, steps?: number): Promise<Undone>;
  /** Applies a step whose action is a process, and returns it. */
  start(step: Step): Promise<RunningProcess>;
  /**
   * Runs a program that changes nothing (a probe, a ping) to its end. A non-zero exit is a result, not an
   * error.
   */
  run(argv: readonly string[], options?: RunOptions): Promise<RunResult>;
  readFiles(paths: readonly string[]): Promise<FilesRead>;
  probe(features: readonly Feature[]): Promise<readonly ProbeResult[]>;
  environment(): Promise<Environment>;
  /** Compares the settings of its steps with what the host has now. */
  verify(): Promise<readonly VerifiedSetting[]>;
  /** Leaves the applied steps in place when this is disposed, until `undoKept`. `barewire undo` does not touch them. */
  keep(label: string): Promise<void>;
  /** What `keep` left on the host, newest first. */
  listKept(): Promise<readonly KeptSteps[]>;
  /** Restores what `keep` left. */
  undoKept(): Promise<readonly UndoneJournal[]>;
}

/** Identifies who changes a host: the run's id, which prefixes every name that it creates, and the host. */
export interface MachineIdentity {
  /** Lower-case letters and digits, at most 6. */
  readonly run: string;
  readonly host: string;
  /** The name of the namespace that is this host; null for the machine itself. */
  readonly netns: string | null;
}

/** How the agent is started and reached. */
export interface AgentTransport {
  /** The command that enters the host, before the agent's command. */
  readonly prefix: readonly string[];
  /** The prefix ends in a shell, as with ssh: the words after it are quoted. */
  readonly throughShell?: boolean;
  /**
   * The command that starts the bundle on the host, if it is not this node and this bundle: `[node,
   * agent.mjs]`.
   */
  readonly bundle?: readonly string[];
  /** The host is a machine of its own: the agent locks it and first restores it from ended runs. */
  readonly standalone?: boolean;
  /** The agent does not run as root, and changes nothing but its own processes. */
  readonly unprivileged?: boolean;
  /** Written to the agent's input before the first message: the agent itself, where the host does not have it. */
  readonly preamble?: Buffer;
  /** Facts about the host that are known from outside; its environment includes them. */
  readonly facts?: Environment;
  /** The last output of the host by another channel (a console), for the error when it is lost. */
  readonly lastWords?: () => string | Promise<string>;
  /** After how much silence the agent counts as lost; that of slow emulated hosts by default. */
  readonly silenceLimitMs?: number;
  /** Closes the connection when aborted; the agent then undoes its steps. */
  readonly signal?: AbortSignal;
}
