import { lstatSync } from 'node:fs';
import { basename, dirname } from 'node:path';
import { printAction, type UndoTarget, type Step, bug, machineError } from '../schema/index.js';
import { findDockerObject } from './docker.js';
import type { ResolvedStep } from './journal.js';
import { describeUndo, type Undo } from './journal-format.js';
import { hasOwnQdisc, isPresent, inspect } from './presence.js';
import { readSysctl, sysctlsChangedBy } from './sysctl.js';

/** What resolving needs from the host. */
export interface Resolving {
  readonly run: string;
  readonly host: string;
  /** The id of the first step. */
  readonly mark: number;
}

/**
 * Resolves every step's undo from the machine's state, before any is applied. Throws `step-failed` for a step
 * that would create something that exists: its undo would remove what is not ours.
 */
export async function resolveSteps(steps: readonly Step[], at: Resolving): Promise<readonly ResolvedStep[]> {
  const resolved: ResolvedStep[] = [];
  for (const [offset, step] of steps.entries()) {
    if (step.do.kind === 'process' && step.undo?.kind !== 'process')
      throw bug(`${step.why}: a process whose undo is not that process would remain`);
    const undo = step.undo === null ? null : await resolveUndo(step, step.undo, at, at.mark + offset);
    if (undo !== null && (await belongsToAnother(undo)))
      throw machineError(
        'step-failed',
        `${at.host}: ${step.why}: ${printAction(step.do)}: ${describeUndo(undo)} exists and is not Barewire's`,
        'Remove or rename it. If an earlier run left it, run: barewire undo',
      );
    resolved.push({ step, undo });
  }
  return resolved;
}

async function resolveUndo(step: Step, made: UndoTarget, at: Resolving, id: number): Promise<Undo | null> {
  switch (made.kind) {
    case 'docker':
      // An image that the daemon has already stays.
      return made.object === 'image' && (await findDockerObject(made)) !== 'absent' ? null : made;
    case 'sysctl':
      return resolveSysctl(made.netns, made.key);
    case 'directory':
      return { ...made, parents: missingParents(made.path) };
    case 'process':
      return {
        ...made,
        program: step.do.kind === 'process' ? basename(step.do.argv[0] ?? '') : '',
        tag: `${at.run}-${at.host}-${id}`,
      };
    case 'netns':
    case 'link':
    case 'route':
    case 'qdisc':
    case 'file':
    case 'cgroup':
    case 'firewall-rule':
    case 'docker-rules':
      return made;
  }
}

/**
 * Null when the key does not exist yet: it belongs to a namespace or link that an earlier step creates, and
 * is removed with it.
 */
function resolveSysctl(netns: string | null, key: string): Undo | null {
  return inspect<Undo | null>(netns, null, () => {
    if (readSysctl(key) === null) return null;
    const values = sysctlsChangedBy(key).flatMap((name) => {
      const value = readSysctl(name);
      return value === null ? [] : [{ key: name, value }];
    });
    return { kind: 'sysctl', netns, values };
  });
}

function missingParents(path: string): string[] {
  const parent = dirname(path);
  if (lstatSync(parent, { throwIfNoEntry: false }) !== undefined) return [];
  return [...missingParents(parent), parent];
}

/** These undo a change, and create nothing that could exist before. */
const CHANGES: ReadonlySet<Undo['kind']> = new Set(['sysctl', 'process', 'firewall-rule', 'docker-rules']);

async function belongsToAnother(undo: Undo): Promise<boolean> {
  if (CHANGES.has(undo.kind)) return false;
  if (undo.kind === 'docker') return undo.object !== 'image' && (await findDockerObject(undo)) !== 'absent';
  if (!isPresent(undo, null)) return false;
  return undo.kind === 'qdisc' ? hasOwnQdisc(undo.netns, undo.link) : true;
}
