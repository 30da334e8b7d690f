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

/** The rate of each of a job's connections, as an argument. */
export const ratePerConnection = ({ rateRps, plan }: ExternalCommand): string =>
  typeof rateRps === 'number' ? String(rateRps / plan.connections) : `${rateRps}/${plan.connections}`;

/** What a plan says of a load, whether its rate is known or not. */
export type ExternalLoad = Omit<LoadPlan, 'mode'>;

/** A load that a tool is started for. */
export interface ExternalCommand {
  /** Of the kind that the tool can make. */
  readonly plan: ExternalLoad;
  /** Of all connections together; 0 in a closed loop; a symbol in a plan that is made before the rate is known. */
  readonly rateRps: number | typeof RATE_SYMBOL;
  /** The name of the tool on that host. */
  readonly program: string;
  /** A directory for its files; it is empty. */
  readonly dir: string;
}

/** A command, and what its output is read with. */
export interface ExternalJob extends ExternalCommand {
  /** Header and body of one response, as received before the load. */
  readonly answerBytes: number;
}

/** A tool's run: plain data. */
export interface ExternalRun {
  readonly files: readonly { readonly path: string; readonly content: string }[];
  readonly argv: readonly string[];
  /** The recorded window opens with the first line that matches, or this long after the start. */
  readonly opens: RegExp | { readonly afterMs: number };
  /** It closes with the first line that matches; null: with the end of the output. */
  readonly closes: RegExp | null;
  /** From start to end, as planned. */
  readonly lastsMs: number;
  /** Run when the tool has ended, to sum up what it wrote. */
  readonly afterwards: readonly string[] | null;
}

export interface ExternalOutput {
  /** The tool's own, its lines joined by `\n`. */
  readonly text: string;
  /** Of `afterwards`. */
  readonly summed: string;
}

/** What a tool said. Latencies in nanoseconds. */
export interface ExternalFigures {
  readonly durationS: number;
  readonly requests: number;
  readonly errors: Partial<Record<ErrorKind, number>>;
  /** Sent, neither answered nor counted as an error. */
  readonly unanswered?: number;
  readonly response: Histogram;
  readonly service: Histogram;
  /** Why these are not the latencies of the requested load. */
  readonly findings: readonly Finding[];
}

/** An installed load generator. Pure: what to run, and what its output says. */
export interface ExternalTool extends Omit<ExternalGenerator, 'version'> {
  readonly name: ExternalName;
  /** Names that it goes by, most certain first. */
  readonly programs: readonly string[];
  readonly versionArgs: readonly string[];
  /** Whether this is its own text of version and options, not that of a namesake. */
  isItself(text: string): boolean;
  /** How to get it. */
  readonly remedy: string;
  run(command: ExternalCommand): ExternalRun;
  /** @throws BarewireError `process-failed` when the output is not what this tool is known to print */
  read(job: ExternalJob, output: ExternalOutput): ExternalFigures;
}

/** Where a tool makes its load. */
export interface ExternalRequest {
  /** The run's id. */
  readonly run: string;
  /** The namespace that it loads from; null is the host's own. */
  readonly netns: string | null;
  /** The CPUs that it may use. */
  readonly cpus: readonly number[];
}

/** The limits of an external generator as findings. */
export const externalLimits = (
  generator: ExternalName,
  ...limits: (typeof EXTERNAL_LIMITS)[number][]
): Finding[] => limits.map((limit) => ({ code: 'external-limit', generator, limit }));
