import { Command, CommanderError } from 'commander';
import { userError } from '../schema/index.js';
import { compareCommand } from './compare-command.js';
import type { Context } from './format.js';
import { cniCommand } from './cni-command.js';
import { costCommand } from './cost-command.js';
import { doctorCommand } from './doctor-command.js';
import { kubernetesCommand } from './kubernetes-command.js';
import { loadCommand } from './load-command.js';
import { nodeCommand } from './node-command.js';
import { networksCommand } from './networks-command.js';
import { reportCommand } from './report-command.js';
import { studyCommand } from './study-command.js';
import { describeError, exitStatus, openTerminal } from './terminal.js';
import { undoCommand } from './undo-command.js';

/** Set by the build from package.json. */
declare const BAREWIRE_VERSION: string;

function program(context: Context): Command {
  const root = new Command('barewire')
    .enablePositionalOptions()
    .description('Measure what a container network costs compared with the host network.')
    .version(BAREWIRE_VERSION)
    .showHelpAfterError('(add --help for a list of commands)')
    .exitOverride();
  const commands = [
    studyCommand,
    networksCommand,
    doctorCommand,
    loadCommand,
    reportCommand,
    compareCommand,
    costCommand,
    cniCommand,
    kubernetesCommand,
    nodeCommand,
    undoCommand,
  ];
  for (const make of commands) root.addCommand(reportErrors(make(context)));
  return root;
}

/** Commander exits by itself with another status, also from a command below one that does not. */
function reportErrors(command: Command): Command {
  for (const below of command.commands) reportErrors(below);
  return command.exitOverride().showHelpAfterError('(add --help for a list of commands)');
}

async function main(): Promise<number> {
  // The first Ctrl-C restores the machine. A second one exits at once and leaves that to `barewire undo`.
  const controller = new AbortController();
  let announcement = 'Interrupted. Restoring the machine … (press again to stop at once)';
  const stop = (): void => {
    if (controller.signal.aborted) {
      process.stderr.write('\nStopped before the machine was restored. Run: barewire undo\n');
      process.exit(130);
    }
    process.stderr.write(`\n${announcement}\n`);
    controller.abort(userError('Interrupted.', '', { code: 'interrupted' }));
  };
  for (const name of ['SIGINT', 'SIGTERM', 'SIGHUP'] as const) process.on(name, stop);
  let status = 0;
  const terminal = openTerminal();
  const context: Context = {
    terminal,
    signal: controller.signal,
    version: BAREWIRE_VERSION,
    announceStop: (message) => (announcement = message),
    fail: () => (status = 1),
  };
  try {
    await program(context).parseAsync();
    return status;
  } catch (error) {
    if (error instanceof CommanderError) return error.exitCode === 0 ? 0 : 2;
    terminal.note(describeError(error));
    return exitStatus(error, controller.signal.aborted);
  }
}

const unwritten: Error[] = [];
for (const stream of [process.stdout, process.stderr])
  stream.on('error', (error: NodeJS.ErrnoException) => {
    // A closed pipe (`| head`) is no failure; a full disk is.
    if (error.code !== 'EPIPE') unwritten.push(error);
  });

const status = await main();
// A pipe holds 64 KiB. Exiting before its reader has received them would cut off the rest.
await Promise.all(
  [process.stdout, process.stderr].map(
    (stream: NodeJS.WriteStream) => new Promise<void>((resolve) => stream.write('', () => resolve())),
  ),
);
process.exit(unwritten.length > 0 ? status || 1 : status);
