import { readFileSync } from 'node:fs';

declare const BAREWIRE_VERSION: string | undefined;

/** The version of this build; in source, where no build has set it, that of package.json. */
export const version = (): string => {
  if (typeof BAREWIRE_VERSION === 'string') return BAREWIRE_VERSION;
  const text = readFileSync(new URL('../../package.json', import.meta.url), 'utf8');
  return (JSON.parse(text) as { version: string }).version;
};
