import { join } from 'node:path';

/** Where journals are kept; BAREWIRE_STATE moves it, so that tests do not meet each other or a user's own runs. */
export const stateDirectory = (): string => process.env['BAREWIRE_STATE'] ?? '/var/lib/barewire';

export const journalDirectory = (): string => join(stateDirectory(), 'journal');

/** In /run, which a reboot empties; beside the journals where those were moved. */
export const lockPath = (): string =>
  process.env['BAREWIRE_STATE'] === undefined ? '/run/barewire.lock' : join(stateDirectory(), 'lock');
