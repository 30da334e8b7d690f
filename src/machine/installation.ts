import { existsSync, readFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';

/** Relative to dist/barewire.mjs, to a bundle in a folder below it, and to this file in a checkout. */
const PLACES = ['./agent.mjs', '../agent.mjs', '../../dist/agent.mjs'];

/** The absolute path of dist/agent.mjs, the bundle that runs on every host. */
export function bundlePath(): string {
  const paths = PLACES.map((place) => fileURLToPath(new URL(place, import.meta.url)));
  return paths.find((path) => existsSync(path)) ?? paths[0] ?? '';
}

declare const BAREWIRE_VERSION: string | undefined;

/** The version of this build; without a build (in source) that of the checkout. */
export function version(): string {
  if (typeof BAREWIRE_VERSION === 'string') return BAREWIRE_VERSION;
  const text = readFileSync(join(dirname(bundlePath()), '..', 'package.json'), 'utf8');
  return (JSON.parse(text) as { version: string }).version;
}

/** The folder of the journals. BAREWIRE_STATE moves it, which separates runs from each other. */
const stateDirectory = (): string => process.env['BAREWIRE_STATE'] ?? '/var/lib/barewire';

export const journalDirectory = (): string => join(stateDirectory(), 'journal');

/** In /run, which a reboot empties; beside the journals when those were moved. */
export const lockPath = (): string =>
  process.env['BAREWIRE_STATE'] === undefined ? '/run/barewire.lock' : join(stateDirectory(), 'lock');
