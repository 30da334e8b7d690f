import * as z from 'zod';
import { cniAttachmentSchema, dockerUndoSchema, stepSchema } from '../schema/index.js';

const netns = z.string().nullable();

/** The undo of a step, resolved from the state found before the step was applied. */
const undoSchema = z.discriminatedUnion('kind', [
  z.object({ kind: z.literal('netns'), name: z.string() }),
  z.object({ kind: z.literal('link'), netns, name: z.string() }),
  z.object({ kind: z.literal('route'), netns, destination: z.string() }),
  z.object({ kind: z.literal('qdisc'), netns, link: z.string() }),
  /** The previous values: of the file itself, first, and of those that the kernel changes with it. */
  z.object({
    kind: z.literal('setting'),
    netns,
    written: z.string(),
    previous: z.array(z.object({ path: z.string(), value: z.string() })).readonly(),
  }),
  z.object({
    kind: z.literal('feature'),
    netns,
    link: z.string(),
    feature: z.string(),
    written: z.string(),
    previous: z.string(),
  }),
  z.object({ kind: z.literal('nftables'), netns, table: z.string() }),
  z.object({ kind: z.literal('file'), path: z.string() }),
  /** `parents` are the missing folders above it, outermost first. */
  z.object({ kind: z.literal('directory'), path: z.string(), parents: z.array(z.string()).readonly() }),
  z.object({ kind: z.literal('process'), name: z.string(), program: z.string(), tag: z.string() }),
  dockerUndoSchema,
  cniAttachmentSchema,
  z.object({ kind: z.literal('cgroup'), path: z.string() }),
  z.object({ kind: z.literal('firewall-rule'), netns, rule: z.array(z.string()).readonly() }),
  z.object({ kind: z.literal('docker-rules'), netns }),
]);
export type Undo = z.infer<typeof undoSchema>;

/** Identifies a process; a later one with the same pid differs in its start time. */
const ownerSchema = z.object({ pid: z.number(), startTime: z.number() });
export type ProcessIdentity = z.infer<typeof ownerSchema>;

/** The first line of a journal: its owner. */
export const headerSchema = z.object({
  journal: z.literal(1),
  version: z.string(),
  run: z.string(),
  host: z.string(),
  netns,
  boot: z.string(),
  owner: ownerSchema,
  /** UTC, ISO 8601. */
  since: z.string(),
});
export type JournalHeader = z.infer<typeof headerSchema>;

/** A step that is about to be applied. */
const entrySchema = z.object({ id: z.number(), step: stepSchema, undo: undoSchema.nullable() });
export type Entry = z.infer<typeof entrySchema>;

/** The lines after the first: steps, processes that they started, and undone steps. */
export const recordSchema = z.union([
  entrySchema,
  z.object({ started: z.number(), process: ownerSchema }),
  z.object({ undone: z.array(z.number()).readonly() }),
  /** The steps stay when their owner ends, under this label. */
  z.object({ kept: z.string() }),
]);
export type JournalRecord = z.infer<typeof recordSchema>;

/** Describes what an undo removes or restores. */
export function describeUndo(undo: Undo): string {
  const within = 'netns' in undo && undo.netns !== null ? ` in namespace ${undo.netns}` : '';
  switch (undo.kind) {
    case 'netns':
      return `namespace ${undo.name}`;
    case 'link':
      return `link ${undo.name}${within}`;
    case 'route':
      return `route ${undo.destination}${within}`;
    case 'qdisc':
      return `queueing discipline of ${undo.link}${within}`;
    case 'setting':
      return `setting ${undo.previous[0]?.path ?? ''}${within}`;
    case 'feature':
      return `feature ${undo.feature} of ${undo.link}${within}`;
    case 'nftables':
      return `table ${undo.table} of nftables${within}`;
    case 'file':
      return `file ${undo.path}`;
    case 'directory':
      return `directory ${undo.path}`;
    case 'process':
      return `process ${undo.name}`;
    case 'docker':
      return `Docker ${undo.object} ${undo.name}`;
    case 'cni':
      return `attachment of ${undo.container}`;
    case 'cgroup':
      return `control group ${undo.path}`;
    case 'docker-rules':
      return `the rules of its Docker daemon${within}`;
    case 'firewall-rule':
      return `rule ${undo.rule.join(' ')}${within}`;
  }
}
