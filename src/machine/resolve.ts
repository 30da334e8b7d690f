import { lstatSync } from 'node:fs';
import { basename, dirname } from 'node:path';
import { printAction, type UndoTarget, type Step, bug, machineError } from '../schema/index.js';
import { findDockerObject } from './docker.js';
import type { ResolvedStep } from './journal.js';
import { describeUndo, type Undo } from './journal-format.js';
import { hasOwnQdisc, isPresent } from './presence.js';
import { hasTable, readFeature } from './offload.js';
import { resolveSetting } from './setting.js';
import { sysctlPath } from './sysctl.js';

/** What resolving needs from the host. */
export interface Resolving {
  readonly run: string;
  readonly host: string;
  /** The name of the namespace that is this host; null for a machine. */
  readonly netns: string | null;
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
      return resolveSetting(made.netns, sysctlPath(made.key), step.do.kind === 'sysctl' ? step.do.value : '');
    case 'setting': {
      const value = step.do.kind === 'setting' ? step.do.value : '';
      const undo = await resolveSetting(made.netns ?? at.netns, made.path, value);
      return undo === null ? null : { ...undo, netns: made.netns };
    }
    case 'feature': {
      const previous = await readFeature(made.netns, made.link, made.feature);
      const written = step.do.kind === 'feature' ? step.do.value : '';
      return previous === null ? null : { ...made, written, previous };
    }
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
    case 'nftables':
    case 'file':
    case 'cgroup':
    case 'cni':
    case 'firewall-rule':
    case 'docker-rules':
      return made;
  }
}

function missingParents(path: string): string[] {
  const parent = dirname(path);
  if (lstatSync(parent, { throwIfNoEntry: false }) !== undefined) return [];
  return [...missingParents(parent), parent];
}

/** These undo a change, and create nothing that could exist before. */
const CHANGES: ReadonlySet<Undo['kind']> = new Set([
  'setting',
  'feature',
  'process',
  'cni',
  'firewall-rule',
  'docker-rules',
]);

async function belongsToAnother(undo: Undo): Promise<boolean> {
  if (CHANGES.has(undo.kind)) return false;
  if (undo.kind === 'nftables') return hasTable(undo.netns, undo.table);
  if (undo.kind === 'docker') return undo.object !== 'image' && (await findDockerObject(undo)) !== 'absent';
  if (!isPresent(undo, null)) return false;
  return undo.kind === 'qdisc' ? hasOwnQdisc(undo.netns, undo.link) : true;
}
