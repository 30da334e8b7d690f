import type { Machine } from '../../machine/index.js';
import { BarewireError, type ExternalGenerator, machineError } from '../../schema/index.js';
import { EXTERNAL_GENERATORS } from './catalog.js';
import type { ExternalTool, ExternalName } from './types.js';

/** A tool as it is installed on a host. */
export interface InstalledTool {
  readonly program: string;
  readonly version: string;
}

/** @throws BarewireError `missing-tool` with where to get it */
export async function findTool(machine: Machine, peer: ExternalTool): Promise<InstalledTool> {
  for (const program of peer.programs) {
    const text = await versionText(machine, [program, ...peer.versionArgs]);
    if (text !== null && peer.recognises(text))
      return { program, version: /\d+(?:\.\d+)+[^\s\]]*/.exec(text)?.[0] ?? 'of an unknown version' };
  }
  throw machineError('missing-tool', `${peer.name} is not installed on ${machine.name}.`, peer.remedy);
}

/** Returns null when there is no such program. wrk prints its version with a failure status. */
async function versionText(machine: Machine, argv: readonly string[]): Promise<string | null> {
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
