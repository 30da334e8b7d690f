import { mkdirSync, writeFileSync } from 'node:fs';
import { dirname } from 'node:path';
import { inNetns } from '../linux/index.js';
import {
  type BarewireError,
  printAction,
  printTable,
  type Action,
  type Step,
  machineError,
  messageOf,
} from '../schema/index.js';
import { createCgroup } from './cgroup.js';
import { attachContainer } from './cni.js';
import { batchInput, failedLine, joins, runCommand } from './command.js';
import { getImage, nameContainerNetns } from './docker.js';
import { makeFolder } from './files.js';
import type { Entry } from './journal-format.js';
import { writeFeature } from './offload.js';
import { readSetting, restoreSetting, writeSetting } from './setting.js';
import { writeSysctl } from './sysctl.js';

type Command = Extract<Action, { kind: 'command' }>;

export interface ApplyOptions {
  readonly run: string;
  readonly host: string;
  /** The name of the namespace that is this host; null for a machine. */
  readonly netns: string | null;
  /** Starts the process of an entry. */
  start(entry: Entry): Promise<unknown>;
}

/** Why applying stopped, and the steps that were certainly not applied. */
export interface ApplyFailure {
  readonly error: BarewireError;
  readonly untaken: readonly Entry[];
}

/** Applies journaled steps in order, up to the first that fails; null when all were applied. */
export async function applyEntries(
  entries: readonly Entry[],
  how: ApplyOptions,
): Promise<ApplyFailure | null> {
  let at = 0;
  while (at < entries.length) {
    const together = entries.slice(at, at + batchSize(entries.slice(at)));
    const failure = await takeTogether(together, how);
    if (failure !== null) return { error: failure.error, untaken: entries.slice(at + failure.tried) };
    at += together.length;
  }
  return null;
}

/** `tried` is the number of batched steps that may have changed something. */
interface Failure {
  readonly error: BarewireError;
  readonly tried: number;
}

/** The number of leading steps that one process can apply. */
function batchSize(entries: readonly Entry[]): number {
  const differs = entries.findIndex((entry, index) => {
    const previous = entries[index - 1]?.step.do;
    if (previous === undefined) return false;
    return previous.kind !== 'command' || entry.step.do.kind !== 'command' || !joins(previous, entry.step.do);
  });
  return differs === -1 ? entries.length : differs;
}

async function takeTogether(entries: readonly Entry[], how: ApplyOptions): Promise<Failure | null> {
  const [first] = entries;
  if (first === undefined) return null;
  const action = first.step.do;
  try {
    if (action.kind === 'command') return await takeCommands(action, entries, how);
    switch (action.kind) {
      case 'sysctl':
        inNetns(action.netns, () => writeSysctl(action.key, action.value));
        break;
      case 'setting':
        await takeSetting(first, action, how.netns);
        break;
      case 'feature':
        await writeFeature(action.netns, action.link, action.feature, action.value);
        break;
      case 'nftables': {
        const input = printTable(action);
        const { code, stderr } = await runCommand(['nft', '-f', '-'], {
          netns: action.netns,
          input,
          tag: applyTag(how),
        });
        if (code !== 0) throw new Error(stderr);
        break;
      }
      case 'file':
        // Exclusive: a file created since the check must not be overwritten.
        writeFileSync(action.path, action.content, { flag: 'wx' });
        break;
      case 'key': {
        const { code, stdout, stderr } = await runCommand(['wg', 'genkey'], { netns: null });
        if (code !== 0) throw new Error(stderr);
        writeFileSync(action.path, stdout, { flag: 'wx', mode: 0o600 });
        break;
      }
      case 'directory':
        makeFolder(dirname(action.path));
        mkdirSync(action.path);
        break;
      case 'cgroup':
        createCgroup(action.path);
        break;
      case 'container-netns':
        await nameContainerNetns(action, applyTag(how));
        break;
      case 'image':
        await getImage(action, applyTag(how));
        break;
      case 'cni':
        await attachContainer(action, applyTag(how));
        break;
      case 'process':
        await how.start(first);
        break;
    }
    return null;
  } catch (cause) {
    // Another program created the name in the meantime: it is not ours to undo.
    const tried = (cause as NodeJS.ErrnoException).code === 'EEXIST' ? 0 : 1;
    const errorText = messageOf(cause);
    return { error: stepFailed(first.step, how.host, errorText, cause), tried };
  }
}

/** A value that the kernel refuses or replaces by another is restored at once: no later undo would know it as ours. */
async function takeSetting(
  { undo }: Entry,
  { netns, path, value }: Extract<Action, { kind: 'setting' }>,
  home: string | null,
): Promise<void> {
  try {
    await writeSetting(netns ?? home, path, value);
  } catch (error) {
    const found = await readSetting(netns ?? home, path);
    if (undo?.kind === 'setting' && found !== null) await restoreSetting({ ...undo, written: found }, home);
    throw error;
  }
}

/** `first` is the first of the commands, which all go to one process of its tool in its namespace. */
async function takeCommands(
  first: Command,
  entries: readonly Entry[],
  how: ApplyOptions,
): Promise<Failure | null> {
  const single = entries.length === 1;
  const { code, signal, stderr } = await runCommand(
    [first.tool, ...(single ? first.args : ['-batch', '-'])],
    {
      netns: first.netns,
      input: single
        ? ''
        : batchInput(entries.flatMap(({ step }: Entry) => (step.do.kind === 'command' ? [step.do] : []))),
      tag: applyTag(how),
      // A client of Docker that is killed leaves its request to the daemon half done.
      shielded: first.tool === 'docker',
    },
  );
  if (code === 0) return null;
  if (signal !== null)
    return { error: oneOfFailed(entries, how.host, `killed by ${signal}`), tried: entries.length };
  const line = single ? 0 : failedLine(stderr);
  const failed = line === null ? undefined : entries[line];
  // `ip` exits without naming the line when it does not know a word in it.
  if (line === null || failed === undefined) {
    return { error: oneOfFailed(entries, how.host, stderr), tried: entries.length };
  }
  return { error: stepFailed(failed.step, how.host, stderr), tried: line + 1 };
}

/** Marks the commands of a host's steps, which may still run after their owner was killed. */
export const applyTag = ({ run, host }: { readonly run: string; readonly host: string }): string =>
  `${run}-${host}`;

const stepFailed = (step: Step, host: string, errorText: string, cause?: unknown): BarewireError =>
  machineError(
    'step-failed',
    `${host}: ${step.why}: ${printAction(step.do)} failed: ${oneLine(errorText)}`,
    'Apply the step by hand to see why. Earlier steps are undone.',
    cause,
  );

const oneOfFailed = (entries: readonly Entry[], host: string, errorText: string): BarewireError =>
  machineError(
    'step-failed',
    `${host}: one of these steps failed: ${entries.map(({ step }) => printAction(step.do)).join('; ')}: ${oneLine(errorText)}`,
    'Apply them by hand, in order, to see which.',
  );

/** The tool's message without iproute2's line about its line. */
const oneLine = (errorText: string): string =>
  errorText
    .split('\n')
    .filter((line) => line !== '' && !/^Command failed -:\d+$/.test(line))
    .join(' / ');
