import { Command, CommanderError } from 'commander';
import { existsSync } from 'node:fs';
import { machineError, userError } from '../schema/index.js';
import { readFlanneldFlags } from './flanneld-flags.js';
import type { Context } from './format.js';
import { describeError, exitStatus, nameRefusal, openTerminal } from './terminal.js';

/** Set by the build from package.json. */
declare const BAREWIRE_VERSION: string;

/** Each is loaded when it is needed: loading all takes as long as much of what one does. */
const COMMANDS: Readonly<Record<string, () => Promise<(context: Context) => Command>>> = {
  study: async () => (await import('./study-command.js')).studyCommand,
  networks: async () => (await import('./networks-command.js')).networksCommand,
  doctor: async () => (await import('./doctor-command.js')).doctorCommand,
  load: async () => (await import('./load-command.js')).loadCommand,
  report: async () => (await import('./report-command.js')).reportCommand,
  compare: async () => (await import('./compare-command.js')).compareCommand,
  cost: async () => (await import('./cost-command.js')).costCommand,
  cni: async () => (await import('./cni-command.js')).cniCommand,
  kubernetes: async () => (await import('./kubernetes-command.js')).kubernetesCommand,
  node: async () => (await import('./node-command.js')).nodeCommand,
  tune: async () => (await import('./tune-command.js')).tuneCommand,
  undo: async () => (await import('./undo-command.js')).undoCommand,
};

/** @param name the command; with another name the program has all of them, for help and for what resembles the name */
async function program(context: Context, name: string): Promise<Command> {
  const root = new Command('barewire')
    .enablePositionalOptions()
    .description('Measure what a container network costs compared with the host network.')
    .version(BAREWIRE_VERSION)
    .showHelpAfterError('(add --help for a list of commands)')
    .hook('preAction', requireProc)
    .exitOverride();
  const wanted = Object.hasOwn(COMMANDS, name) ? [COMMANDS[name]] : Object.values(COMMANDS);
  for (const load of wanted) if (load !== undefined) root.addCommand(reportErrors((await load())(context)));
  return root;
}

/** All that a command knows of Linux it reads there. */
function requireProc(): void {
  if (process.platform !== 'linux' || existsSync('/proc/self/status')) return;
  throw machineError(
    'host-unsupported',
    '/proc is not mounted, as in a chroot.',
    'Run: mount -t proc proc /proc',
  );
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
    const args = process.argv.slice(2);
    const [command = '', ...rest] = args;
    const read = command === 'node' ? [command, ...readFlanneldFlags(rest)] : args;
    await (await program(context, command)).parseAsync(read, { from: 'user' });
    return status;
  } catch (caught) {
    // A wait that the signal ended throws an error of its own.
    const isAbort = controller.signal.aborted && (caught as Error).name === 'AbortError';
    const error = nameRefusal(isAbort ? controller.signal.reason : caught);
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
const [lost] = unwritten;
// Standard error may be what could not be written.
if (lost !== undefined && status === 0)
  process.stderr.write(`barewire: The output is incomplete: ${lost.message}\n`);
process.exit(lost === undefined ? status : status || 1);
