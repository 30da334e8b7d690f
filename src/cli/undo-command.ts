import { Command } from 'commander';
import { lockMachine, undoAll } from '../machine/index.js';
import { requireMachine } from '../study/index.js';
import type { Context } from './format.js';

export const undoCommand = (context: Context): Command =>
  new Command('undo')
    .summary('restore the machine after a crash')
    .description(
      'Reads the journals of ended runs and undoes every step in them, newest first. Safe to repeat.',
    )
    .option('--json', 'print what was undone')
    .action(async (flags: { json?: true }) => {
      requireMachine(['ip', 'nsenter']);
      await using _lock = await lockMachine('undo');
      const undone = await undoAll();
      if (flags.json === true) {
        context.terminal.print(JSON.stringify(undone, null, 2));
        return;
      }
      for (const { run, host, steps, since } of undone)
        context.terminal.print(`Undid ${steps} steps on ${host} (run ${run}, since ${since}).`);
      if (undone.length === 0) context.terminal.print('Nothing to undo: no journal is open.');
    });
