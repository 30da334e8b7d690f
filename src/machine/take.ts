import { mkdirSync, writeFileSync } from 'node:fs';
import { dirname } from 'node:path';
import { inNetns } from '../linux/index.js';
import { BarewireError, printAction, type Action, type Step } from '../schema/index.js';
import { batchInput, failedLine, joins } from './batch.js';
import { runCommand } from './command.js';
import type { Entry } from './journal-format.js';
import { actionsUntilKill, afterActions, beforeActions } from './kill-hook.js';
import { writeSysctl } from './sysctl.js';

type Command = Extract<Action, { kind: 'command' }>;

export interface Taking {
  readonly host: string;
  /** The host's own namespace by name where this process is not in it; null where it is. */
  readonly home: string | null;
  /** Starts the process of an entry. */
  start(entry: Entry): Promise<unknown>;
}

/** Takes journaled steps in order. Throws `step-failed` at the first that fails. */
export async function takeEntries(entries: readonly Entry[], how: Taking): Promise<void> {
  let at = 0;
  while (at < entries.length) {
    const size = batchSize(entries.slice(at));
    beforeActions();
    await takeTogether(entries.slice(at, at + size), how);
    afterActions(size);
    at += size;
  }
}

/** How many of the first steps go through one process. */
function batchSize(entries: readonly Entry[]): number {
  const differs = entries.findIndex((entry, index) => {
    const previous = entries[index - 1]?.step.do;
    if (previous === undefined) return false;
    return previous.kind !== 'command' || entry.step.do.kind !== 'command' || !joins(previous, entry.step.do);
  });
  return Math.min(differs === -1 ? entries.length : differs, actionsUntilKill());
}

async function takeTogether(entries: readonly Entry[], how: Taking): Promise<void> {
  const commands = entries.map((entry) => entry.step.do).filter((action) => action.kind === 'command');
  const [first] = entries;
  if (first === undefined) return;
  if (commands.length > 0) await takeCommands(entries, commands, how);
  else await takeOne(first, how);
}

async function takeCommands(
  entries: readonly Entry[],
  commands: readonly Command[],
  how: Taking,
): Promise<void> {
  const [first] = commands;
  if (first === undefined) return;
  const single = commands.length === 1;
  const argv = single ? [first.tool, ...first.args] : [first.tool, '-batch', '-'];
  const netns = first.netns ?? how.home;
  const result = await runCommand(argv, single ? { netns } : { netns, input: batchInput(commands) });
  if (result.code === 0) return;
  const line = single ? 0 : failedLine(result.stderr);
  const failed = entries[line ?? 0];
  if (line !== null && failed !== undefined) throw stepFailed(failed.step, how.host, result.stderr);
  throw oneOfFailed(entries, how.host, result.stderr);
}

async function takeOne(entry: Entry, how: Taking): Promise<void> {
  try {
    await act(entry, how);
  } catch (error) {
    throw stepFailed(entry.step, how.host, error instanceof Error ? error.message : String(error), error);
  }
}

async function act(entry: Entry, how: Taking): Promise<void> {
  const action = entry.step.do;
  switch (action.kind) {
    case 'sysctl':
      inNetns(action.netns ?? how.home, () => writeSysctl(action.key, action.value));
      break;
    case 'file':
      // Exclusive: what came into being since it was looked for is not ours to overwrite.
      writeFileSync(action.path, action.content, { flag: 'wx' });
      break;
    case 'directory':
      mkdirSync(dirname(action.path), { recursive: true });
      mkdirSync(action.path);
      break;
    case 'process':
      await how.start(entry);
      break;
    case 'command':
      await takeCommands([entry], [action], how);
      break;
  }
}

const stepFailed = (step: Step, host: string, said: string, cause?: unknown): BarewireError =>
  new BarewireError(`${host}: ${step.why}: ${printAction(step.do)} failed: ${oneLine(said)}`, {
    code: 'step-failed',
    fault: 'machine',
    hint: 'Take the step by hand to see why; what was taken before it is undone.',
    cause,
  });

const oneOfFailed = (entries: readonly Entry[], host: string, said: string): BarewireError =>
  new BarewireError(
    `${host}: one of these steps failed: ${entries.map(({ step }) => printAction(step.do)).join('; ')}: ${oneLine(said)}`,
    { code: 'step-failed', fault: 'machine', hint: 'Take them by hand, in order, to see which.' },
  );

/** What the tool said, without iproute2's own line about its line. */
const oneLine = (said: string): string =>
  said
    .split('\n')
    .filter((line) => line !== '' && !/^Command failed -:\d+$/.test(line))
    .join(' / ');
