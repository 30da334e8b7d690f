import { BarewireError } from '../../schema/index.js';
import type { NetworkConfiguration, PluginConfiguration } from './configuration.js';
import { locatePlugin, type FoundPlugin } from './find-plugin.js';
import type { Lab } from './lab.js';
import type { PluginCall } from './report.js';
import { readError, readResult, shorten, type AddResult } from './result.js';

export type Command = 'ADD' | 'DEL' | 'CHECK' | 'GC' | 'STATUS' | 'VERSION';

/** A plugin that runs longer is killed. */
const LIMIT_MS = 30_000;
/** What a container runtime gives its plugins. */
const PATH = '/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin';

/** One interface of a container on the network. */
export interface ContainerAttachment {
  readonly containerId: string;
  /** The value of CNI_NETNS; may be empty for DEL. */
  readonly netns: string;
  readonly ifname: string;
  readonly args?: string;
  /** The port of the host that the capability `portMappings` maps. */
  readonly hostPort: number;
}

export interface Options {
  readonly version: string;
  readonly network: NetworkConfiguration;
  /** The directories of CNI_PATH. */
  readonly directories: readonly string[];
  /** What ADD returned; DEL and CHECK send it, unless it is null. */
  readonly prevResult?: AddResult | null;
  /** Kills the plugin and its children after that time. */
  readonly killAfterMs?: number;
}

/** The end of a chain of calls. */
export interface Ended {
  /** The calls in their order; the last one failed unless all did well. */
  readonly calls: readonly PluginCall[];
  readonly ok: boolean;
}
export interface Added extends Ended {
  /** The problems of the results, in the format of the version that was asked for. */
  readonly problems: readonly string[];
  /** The result of the last plugin of the chain. */
  readonly result: AddResult | null;
}

/** Executes plugins in the host namespace as a container runtime does. */
export class PluginRuntime {
  readonly #lab: Lab;
  readonly #record: (call: PluginCall) => void;

  constructor(lab: Lab, record: (call: PluginCall) => void) {
    this.#lab = lab;
    this.#record = record;
  }

  /** Executes one plugin with exactly this environment and input. */
  async call(
    { type, path }: Pick<FoundPlugin, 'type' | 'path'>,
    env: Readonly<Record<string, string>>,
    stdin: string,
    killAfterMs?: number,
  ): Promise<PluginCall> {
    const variables = Object.entries({ PATH, ...env }).map(([name, value]) => `${name}=${value}`);
    // `timeout` puts itself and the plugin into a process group, and kills the group with delegated plugins in it.
    const killer =
      killAfterMs === undefined ? [] : ['timeout', '-s', 'KILL', (killAfterMs / 1000).toFixed(6)];
    const argv = [...killer, 'env', '-i', ...variables, path];
    const call = await this.#run(argv, stdin, { plugin: type, env, stdin });
    this.#record(call);
    return call;
  }

  async #run(
    argv: readonly string[],
    input: string,
    sent: Pick<PluginCall, 'plugin' | 'env' | 'stdin'>,
  ): Promise<PluginCall> {
    try {
      const { code, signal, stdout, stderr, ms } = await this.#lab.host.run(argv, {
        input,
        timeoutMs: LIMIT_MS,
      });
      return { ...sent, exitStatus: code, signal, stdout, stderr, ms };
    } catch (error) {
      if (!(error instanceof BarewireError) || error.code !== 'timed-out') throw error;
      const stderr = `(it was killed because it did not exit within ${LIMIT_MS / 1000} s)`;
      return { ...sent, exitStatus: null, signal: 'SIGKILL', stdout: '', stderr, ms: LIMIT_MS };
    }
  }

  /** ADD by every plugin of the network, each with the result of the one before it. */
  async add(attachment: ContainerAttachment, options: Options): Promise<Added> {
    const calls: PluginCall[] = [];
    const problems: string[] = [];
    let result = options.prevResult ?? null;
    for (const plugin of options.network.plugins) {
      const call = await this.#execute('ADD', plugin, attachment, { ...options, prevResult: result });
      calls.push(call);
      if (call.exitStatus !== 0) return { calls, ok: false, problems, result: null };
      const read = readResult(call.stdout, options.version);
      problems.push(...read.problems.map((problem) => `${plugin.type}: ${problem}`));
      if (read.result === null) return { calls, ok: true, problems, result: null };
      result = read.result;
    }
    return { calls, ok: true, problems, result };
  }

  /** DEL by every plugin of the network in reverse order, up to the first that fails. */
  del(attachment: ContainerAttachment, options: Options): Promise<Ended> {
    return this.#chain('DEL', options.network.plugins.toReversed(), attachment, options);
  }

  check(attachment: ContainerAttachment, options: Options): Promise<Ended> {
    return this.#chain('CHECK', options.network.plugins, attachment, options);
  }

  /** GC by every plugin of the network; `valid` are the attachments that stay. */
  async gc(valid: readonly ContainerAttachment[], options: Options): Promise<Ended> {
    const attachments = valid.map(({ containerId, ifname }) => ({ containerID: containerId, ifname }));
    const calls: PluginCall[] = [];
    for (const plugin of options.network.plugins)
      calls.push(
        await this.#execute('GC', { ...plugin, 'cni.dev/valid-attachments': attachments }, null, options),
      );
    return { calls, ok: calls.every(({ exitStatus }) => exitStatus === 0) };
  }

  status(options: Options): Promise<Ended> {
    return this.#chain('STATUS', options.network.plugins, null, options);
  }

  async #chain(
    command: Command,
    plugins: readonly PluginConfiguration[],
    attachment: ContainerAttachment | null,
    options: Options,
  ): Promise<Ended> {
    const calls: PluginCall[] = [];
    for (const plugin of plugins) {
      const call = await this.#execute(command, plugin, attachment, options);
      calls.push(call);
      if (call.exitStatus !== 0) return { calls, ok: false };
    }
    return { calls, ok: true };
  }

  #execute(
    command: Command,
    plugin: PluginConfiguration,
    attachment: ContainerAttachment | null,
    options: Options,
  ): Promise<PluginCall> {
    return this.call(
      { type: plugin.type, path: locatePlugin(plugin.type, options.directories) },
      environmentOf(command, attachment, options.directories),
      requestOf(plugin, attachment, options),
      options.killAfterMs,
    );
  }
}

export const environmentOf = (
  command: Command,
  attachment: ContainerAttachment | null,
  directories: readonly string[],
): Record<string, string> => ({
  CNI_COMMAND: command,
  ...(attachment === null
    ? {}
    : {
        CNI_CONTAINERID: attachment.containerId,
        CNI_NETNS: attachment.netns,
        CNI_IFNAME: attachment.ifname,
        ...(attachment.args === undefined ? {} : { CNI_ARGS: attachment.args }),
      }),
  CNI_PATH: directories.join(':'),
});

/** The request that section 3 derives from the configuration of a plugin. */
export function requestOf(
  { capabilities, ...plugin }: Readonly<Record<string, unknown>>,
  attachment: ContainerAttachment | null,
  { version, network, prevResult }: Pick<Options, 'version' | 'network' | 'prevResult'>,
): string {
  const maps = (capabilities as Readonly<Record<string, unknown>> | undefined)?.['portMappings'] === true;
  return JSON.stringify({
    ...plugin,
    cniVersion: version,
    name: network.name,
    ...(attachment !== null && maps
      ? {
          runtimeConfig: {
            portMappings: [{ hostPort: attachment.hostPort, containerPort: 80, protocol: 'tcp' }],
          },
        }
      : {}),
    ...(attachment !== null && prevResult !== undefined && prevResult !== null ? { prevResult } : {}),
  });
}

/** What a plugin said when it failed. */
export function describeFailure({ plugin, exitStatus, signal, stdout, stderr }: PluginCall): string {
  const error = readError(stdout);
  const how = exitStatus === null ? `was killed by ${signal ?? 'a signal'}` : `exited with ${exitStatus}`;
  const details = error?.details === undefined ? '' : `; ${error.details}`;
  const said = error === null ? shorten(`${stdout} ${stderr}`) : `code ${error.code}: ${error.msg}${details}`;
  return `${plugin} ${how}: ${said}`;
}
