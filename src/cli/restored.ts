import type { UndoneJournal } from '../machine/index.js';
import { describeChangedSetting } from '../report/index.js';
import type { Terminal } from './terminal.js';

/** Notes what a command has undone of ended runs before its own work. */
export function noteRestored(terminal: Terminal, undone: readonly UndoneJournal[]): void {
  if (undone.length === 0) return;
  const steps = undone.reduce((sum, journal) => sum + journal.steps, 0);
  const hosts = undone.map(({ host }) => host).join(', ');
  terminal.note(`An earlier run ended without cleanup: undid ${steps} steps on ${hosts}.`);
  for (const setting of undone.flatMap(({ changed }) => changed))
    terminal.note(describeChangedSetting(setting));
}
