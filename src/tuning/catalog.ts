import { didYouMean, userError } from '../schema/index.js';
import { POWER } from './knobs/power.js';
import { ownSysctlKnob } from './knobs/own-sysctl.js';
import { LOAD_KNOBS } from './knobs/processes.js';
import { STEERING } from './knobs/steering.js';
import { SYSCTLS } from './knobs/sysctls.js';
import type { Knob } from './types.js';

/** Every knob, in the order of a plan. */
export const KNOBS: readonly Knob[] = [...STEERING, ...LOAD_KNOBS, ...SYSCTLS, ...POWER];

/** The files whose values a topology needs for a plan. */
export const KNOB_FILES: readonly string[] = KNOBS.flatMap(({ files = [] }) => files);

/**
 * Finds a knob by its name, or makes one for a sysctl.
 *
 * @throws BarewireError `bad-input` with the nearest name
 */
export function findKnob(name: string, place: string): Knob {
  const found = KNOBS.find((knob) => knob.name === name) ?? ownSysctlKnob(name);
  if (found !== null) return found;
  const names = KNOBS.map((knob) => knob.name);
  throw userError(
    `${place}: unknown knob "${name}".`,
    `${didYouMean(name, names)}Knobs: ${names.join(', ')}; any sysctl by its key: net.ipv4.tcp_rmem.`,
  );
}
