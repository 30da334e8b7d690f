import type {
  ErrorKind,
  EXTERNAL_LIMITS,
  ExternalGenerator,
  Finding,
  GeneratorName,
  LoadPlan,
} from '../../schema/index.js';
import type { Histogram } from '../../stats/index.js';

export type ExternalName = Exclude<GeneratorName, 'barewire'>;

/** Stands for a rate that is not known yet. */
export const RATE_SYMBOL = '<rate>';

/** The rate per connection, as an argument. */
export const ratePerConnection = ({ rateRps, plan }: ExternalCommand): string =>
  typeof rateRps === 'number' ? String(rateRps / plan.connections) : `${rateRps}/${plan.connections}`;

/** The plan of a load whose rate may be unknown. */
export type ExternalLoad = Omit<LoadPlan, 'mode'>;

/** A load that a tool is started for. */
export interface ExternalCommand {
  /** Of a kind that the tool supports. */
  readonly plan: ExternalLoad;
  /** Of all connections together; 0 in a closed loop; a symbol in a plan that is made before the rate is known. */
  readonly rateRps: number | typeof RATE_SYMBOL;
  /** The name of the tool on that host. */
  readonly program: string;
  /** A directory for its files; it is empty. */
  readonly dir: string;
}

/** A command, and what is needed to read its output. */
export interface ExternalJob extends ExternalCommand {
  /** Header and body of one response, as received before the load. */
  readonly responseBytes: number;
}

/** The run of a tool, as plain data. */
export interface ExternalRun {
  readonly files: readonly { readonly path: string; readonly content: string }[];
  readonly argv: readonly string[];
  /** The recorded window opens at the first matching line, or this long after the start. */
  readonly opens: RegExp | { readonly afterMs: number };
  /** It closes at the first matching line; null for the end of the output. */
  readonly closes: RegExp | null;
  /** From start to exit, as planned. */
  readonly lastsMs: number;
  /** Run after the tool's exit to aggregate its files; null for none. */
  readonly afterwards: readonly string[] | null;
}

export interface ExternalOutput {
  /** Standard output, its lines joined by `\n`. */
  readonly text: string;
  /** Output of `afterwards`. */
  readonly aggregated: string;
}

/** What a tool reported. Latencies in nanoseconds. */
export interface ExternalFigures {
  readonly durationS: number;
  readonly requests: number;
  readonly errors: Partial<Record<ErrorKind, number>>;
  /** Sent requests that neither got a response nor count as an error. */
  readonly unanswered?: number;
  readonly response: Histogram;
  readonly service: Histogram;
  /** Why these latencies are not those of the requested load. */
  readonly findings: readonly Finding[];
}

/** An installed load generator. Pure: what to run, and how to read its output. */
export interface ExternalTool extends Omit<ExternalGenerator, 'version'> {
  readonly name: ExternalName;
  /** Names of the program, most likely first. */
  readonly programs: readonly string[];
  readonly versionArgs: readonly string[];
  /**
   * Returns whether a text of version and options is the tool's own, and not that of another program with its
   * name.
   */
  recognises(text: string): boolean;
  /** Arguments that print its options; null where `versionArgs` do. */
  readonly helpArgs: readonly string[] | null;
  /** The options that a load needs. Forks and old versions lack some. */
  readonly options: readonly string[];
  /** How to install it. */
  readonly remedy: string;
  run(command: ExternalCommand): ExternalRun;
  /** @throws BarewireError `process-failed` when the output has an unknown form */
  read(job: ExternalJob, output: ExternalOutput): ExternalFigures;
}

/** Where a tool runs. */
export interface ExternalRequest {
  /** The run's id. */
  readonly run: string;
  /** The namespace of the load; null is the host's own. */
  readonly netns: string | null;
  /** The CPUs that it may use. */
  readonly cpus: readonly number[];
}

/** The limits of an external generator as findings. */
export const externalLimits = (
  generator: ExternalName,
  ...limits: (typeof EXTERNAL_LIMITS)[number][]
): Finding[] => limits.map((limit) => ({ code: 'external-limit', generator, limit }));
