import { join } from 'node:path';

/** The folder of the journals. BAREWIRE_STATE moves it, which separates runs from each other. */
export const stateDirectory = (): string => process.env['BAREWIRE_STATE'] ?? '/var/lib/barewire';

export const journalDirectory = (): string => join(stateDirectory(), 'journal');

/** In /run, which a reboot empties; beside the journals when those were moved. */
export const lockPath = (): string =>
  process.env['BAREWIRE_STATE'] === undefined ? '/run/barewire.lock' : join(stateDirectory(), 'lock');
