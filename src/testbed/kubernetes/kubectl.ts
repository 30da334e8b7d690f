import { setTimeout as pause } from 'node:timers/promises';
import type * as z from 'zod';
import { runCommand, type RunResult } from '../../machine/index.js';
import { machineError, type BarewireError } from '../../schema/index.js';

/** Which cluster and namespace a command addresses; null is what the user's kubeconfig has. */
export interface ClusterTarget {
  readonly context: string | null;
  readonly namespace: string | null;
}

const REQUEST_LIMIT_S = 20;
const RETRY_MS = 500;
const COMMAND_LIMIT_MS = 120_000;

/** The user's own kubectl with its kubeconfig, credential plugins and proxies. */
export class Kubectl {
  readonly target: ClusterTarget;
  readonly #patienceMs: number;

  /** @param patienceMs how long to repeat a command while the API server does not respond: it may be restarting */
  constructor(target: ClusterTarget, patienceMs = 0) {
    this.target = target;
    this.#patienceMs = patienceMs;
  }

  /** The command line for these arguments. */
  argv(args: readonly string[]): string[] {
    const { context, namespace } = this.target;
    return [
      'kubectl',
      ...(context === null ? [] : ['--context', context]),
      ...(namespace === null ? [] : ['--namespace', namespace]),
      ...args,
    ];
  }

  /**
   * Runs a command to its end. A refusal is a result.
   *
   * @throws BarewireError `missing-tool` without kubectl, `host-unreachable` when the API server does not respond
   */
  async run(args: readonly string[], input = ''): Promise<RunResult> {
    const argv = this.argv([`--request-timeout=${REQUEST_LIMIT_S}s`, ...args]);
    for (const deadline = performance.now() + this.#patienceMs; ;) {
      const result = await runCommand(argv, { netns: null, input, timeoutMs: COMMAND_LIMIT_MS });
      if (result.code === 0 || !UNREACHABLE.test(result.stderr)) return result;
      if (performance.now() > deadline) throw unreachable(this.target, result.stderr);
      await pause(RETRY_MS);
    }
  }

  /**
   * Runs a command that prints JSON.
   *
   * @throws BarewireError `cluster-refused` with the API server's own words
   */
  async json<T>(args: readonly string[], schema: z.ZodType<T>, input = ''): Promise<T> {
    const { code, stdout, stderr } = await this.run([...args, '-o', 'json'], input);
    if (code === 0) return schema.parse(JSON.parse(stdout));
    throw refused(args, stderr);
  }

  /** The same, and null where it is refused: a right or an object that the study can do without. */
  async jsonOrNull<T>(args: readonly string[], schema: z.ZodType<T>): Promise<T | null> {
    const { code, stdout } = await this.run([...args, '-o', 'json']);
    return code === 0 ? schema.parse(JSON.parse(stdout)) : null;
  }
}

const UNREACHABLE =
  /Unable to connect to the server|The connection to the server .* was refused|couldn't get current server API group list|context deadline exceeded|i\/o timeout|no such host|TLS handshake/i;

function unreachable({ context }: ClusterTarget, stderr: string): BarewireError {
  return machineError(
    'host-unreachable',
    `The API server of ${context === null ? 'the current context' : `the context ${context}`} does not respond: ${lastLine(stderr)}`,
    'Check `kubectl config current-context` and `kubectl version`; name another context by --testbed kubernetes:CONTEXT.',
  );
}

/** kubectl's message without its prefix. */
export const lastLine = (stderr: string): string =>
  (stderr.trim().split('\n').at(-1) ?? '').replace(
    /^(?:error|Error from server(?: \(\w+\))?): (?:error when creating "STDIN": )?/,
    '',
  );

export const refused = (args: readonly string[], stderr: string): BarewireError =>
  machineError(
    'cluster-refused',
    `kubectl ${args.slice(0, 3).join(' ')} was refused: ${lastLine(stderr)}`,
    /namespaces .* not found/.test(stderr)
      ? 'Create the namespace first (kubectl create namespace NAME), add --create-namespace, or name another by --namespace.'
      : /forbidden/i.test(stderr)
        ? 'Ask for the missing right: `barewire kubernetes rbac` prints what a study needs.'
        : 'Run the command by hand to see why.',
  );
