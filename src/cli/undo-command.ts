import { Command } from 'commander';
import { listKept, lockMachine, undoAll } from '../machine/index.js';
import { describeChangedSetting } from '../report/index.js';
import { userError } from '../schema/index.js';
import { requireTools } from '../study/index.js';
import { findTestbedKind, requireTestbed, withOptions } from '../testbed/index.js';
import type { Context } from './format.js';

interface UndoFlags {
  readonly testbed?: string;
  readonly namespace?: string;
  readonly json?: true;
}

export const undoCommand = (context: Context): Command =>
  new Command('undo')
    .summary('restore the machine after a crash')
    .description(
      'Reads the journals of ended runs and undoes every step in them, newest first. With --testbed kubernetes, deletes what ended ' +
        'runs left on the cluster; running ones stay. Safe to repeat.',
    )
    .option(
      '--testbed <testbed>',
      'where to undo: netns (this machine, the default), kubernetes or kubernetes:CONTEXT',
    )
    .option('--namespace <name>', "with --testbed kubernetes: the namespace (default: the context's)")
    .option('--json', 'print what was undone')
    .action((flags: UndoFlags) =>
      flags.testbed === undefined ? undoHere(context, flags) : undoThere(context, flags),
    );

async function undoHere({ terminal }: Context, flags: UndoFlags): Promise<void> {
  requireTools(['ip', 'nsenter']);
  await using _lock = await lockMachine('undo');
  const undone = await undoAll();
  const kept = await listKept();
  if (flags.json === true) {
    terminal.print(JSON.stringify(undone, null, 2));
    return;
  }
  for (const { run, host, steps, since, changed } of undone) {
    terminal.print(`Undid ${steps} steps on ${host} (run ${run}, since ${since}).`);
    for (const setting of changed) terminal.print(describeChangedSetting(setting));
  }
  if (undone.length === 0) terminal.print('Nothing to undo: no journal is open.');
  for (const { label, since } of kept)
    terminal.print(
      `The tuning ${label} of ${since} stays. \`barewire tune restore\` restores what was before it.`,
    );
}

async function undoThere(context: Context, flags: UndoFlags): Promise<void> {
  const { terminal } = context;
  const named = requireTestbed(flags.testbed ?? '');
  const choice = withOptions(named, flags.namespace === undefined ? {} : { namespace: flags.namespace });
  const kind = findTestbedKind(choice);
  if (kind.madeHere) {
    await undoHere(context, flags);
    return;
  }
  if (kind.undo === undefined)
    throw userError(
      `Nothing is undone from here on the testbed ${kind.name}.`,
      'Its agents restore their own machines. After a crash run `barewire undo` on each of them.',
    );
  const deleted = await kind.undo(choice.options ?? {});
  if (flags.json === true) {
    terminal.print(JSON.stringify(deleted, null, 2));
    return;
  }
  for (const { run, place, since } of deleted)
    terminal.print(`Deleted run ${run} in ${place} (since ${since}).`);
  if (deleted.length === 0) terminal.print('Nothing to undo: no ended run left anything.');
}
