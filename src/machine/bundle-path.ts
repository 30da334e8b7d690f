import { existsSync } from 'node:fs';
import { fileURLToPath } from 'node:url';

/** Relative to dist/barewire.mjs, to a bundle in a folder below it, and to this file in a checkout. */
const PLACES = ['./agent.mjs', '../agent.mjs', '../../dist/agent.mjs'];

/** The absolute path of dist/agent.mjs, the bundle that runs on every host. */
export function bundlePath(): string {
  const paths = PLACES.map((place) => fileURLToPath(new URL(place, import.meta.url)));
  return paths.find((path) => existsSync(path)) ?? paths[0] ?? '';
}
