import { readFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { bundlePath } from './bundle-path.js';

declare const BAREWIRE_VERSION: string | undefined;

/** The version of this build; without a build (in source) that of the checkout. */
export function version(): string {
  if (typeof BAREWIRE_VERSION === 'string') return BAREWIRE_VERSION;
  const text = readFileSync(join(dirname(bundlePath()), '..', 'package.json'), 'utf8');
  return (JSON.parse(text) as { version: string }).version;
}
