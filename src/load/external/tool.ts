import type { Machine } from '../../machine/index.js';
import { BarewireError, type ExternalGenerator, machineError } from '../../schema/index.js';
import { EXTERNAL_GENERATORS } from './catalog.js';
import type { ExternalTool, ExternalName } from './types.js';

/** A tool as it is installed on a host. */
export interface InstalledTool {
  readonly program: string;
  readonly version: string;
}

/** @throws BarewireError `missing-tool` with where to get it, or what the installed program lacks */
export async function findTool(machine: Machine, peer: ExternalTool): Promise<InstalledTool> {
  for (const program of peer.programs) {
    const text = await outputOf(machine, [program, ...peer.versionArgs]);
    // Another program's name, such as wrk for wrk2, may be wrk itself.
    if (text === null || (program !== peer.name && !peer.recognises(text))) continue;
    const help = peer.helpArgs === null ? text : await outputOf(machine, [program, ...peer.helpArgs]);
    const lacking = peer.options.filter((option) => !new RegExp(`${option}(?![\\w-])`).test(help ?? ''));
    if (peer.recognises(text) && lacking.length === 0)
      return { program, version: /\d+(?:\.\d+)+[^\s\]]*/.exec(text)?.[0] ?? 'of an unknown version' };
    throw machineError(
      'missing-tool',
      lacking.length === 0
        ? `The program ${program} on ${machine.name} is not ${peer.name}.`
        : `The program ${program} on ${machine.name} is a fork of ${peer.name}, or too old: it has no ${lacking.join(', ')}.`,
      peer.remedy,
    );
  }
  throw machineError('missing-tool', `${peer.name} is not installed on ${machine.name}.`, peer.remedy);
}

/** Returns null when there is no such program. Some print their version or options with a failure status. */
async function outputOf(machine: Machine, argv: readonly string[]): Promise<string | null> {
  try {
    const { stdout, stderr } = await machine.run(argv, { timeoutMs: 5_000 });
    return stdout + stderr;
  } catch (error) {
    if (error instanceof BarewireError && error.code === 'missing-tool') return null;
    throw error;
  }
}

/** What study.json records of a tool as installed on `machine`. */
export async function describeExternal(machine: Machine, name: ExternalName): Promise<ExternalGenerator> {
  const { loop, timedFrom, limits } = EXTERNAL_GENERATORS[name];
  const { version } = await findTool(machine, EXTERNAL_GENERATORS[name]);
  return { name, version, loop, timedFrom, limits: [...limits] };
}
