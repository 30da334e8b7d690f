import * as z from 'zod';

/** A network namespace by its name under /run/netns; null is the host's own. */
const netns = z.string().nullable();

/**
 * One change to a machine, as data. `command` runs a tool of iproute2 (consecutive commands of one tool in one
 * namespace go through its `-batch`) or `wg`; the rest are written by the agent itself.
 */
const actionSchema = z.discriminatedUnion('kind', [
  z.object({
    kind: z.literal('command'),
    tool: z.enum(['ip', 'bridge', 'tc', 'wg']),
    netns,
    args: z.array(z.string()).readonly(),
  }),
  z.object({ kind: z.literal('sysctl'), netns, key: z.string(), value: z.string() }),
  z.object({ kind: z.literal('file'), path: z.string(), content: z.string() }),
  /** A fresh private key of WireGuard that never leaves the machine: a file that its owner alone can read. */
  z.object({ kind: z.literal('key'), path: z.string() }),
  z.object({ kind: z.literal('directory'), path: z.string() }),
  z.object({
    kind: z.literal('process'),
    name: z.string(),
    netns,
    argv: z.array(z.string()).readonly(),
    cpus: z.array(z.number()).readonly(),
    /** Its session goes before others that want its CPUs: what is measured is not what else runs. */
    first: z.boolean().optional(),
  }),
]);
export type Action = z.infer<typeof actionSchema>;

/**
 * What a step creates on the machine, which its undo removes. Removing what is gone already succeeds. A `sysctl` is
 * restored to the value in the journal; a `process` is stopped with its whole session.
 */
const undoTargetSchema = z.discriminatedUnion('kind', [
  z.object({ kind: z.literal('netns'), name: z.string() }),
  z.object({ kind: z.literal('link'), netns, name: z.string() }),
  z.object({ kind: z.literal('route'), netns, destination: z.string() }),
  z.object({ kind: z.literal('qdisc'), netns, link: z.string() }),
  z.object({ kind: z.literal('sysctl'), netns, key: z.string() }),
  z.object({ kind: z.literal('file'), path: z.string() }),
  z.object({ kind: z.literal('directory'), path: z.string() }),
  z.object({ kind: z.literal('process'), name: z.string() }),
]);
export type UndoTarget = z.infer<typeof undoTargetSchema>;

/** `undo: null` says that the change goes away with what an earlier step made (an address with its link). */
export const stepSchema = z.object({ why: z.string(), do: actionSchema, undo: undoTargetSchema.nullable() });
export type Step = z.infer<typeof stepSchema>;

/** The line that a reader would type to take the step by hand. */
export function printAction(action: Action): string {
  switch (action.kind) {
    case 'command':
      return [action.tool, ...(action.netns === null ? [] : ['-n', action.netns]), ...action.args].join(' ');
    case 'sysctl':
      return `${inNetns(action.netns)}sysctl -w ${action.key}=${action.value}`;
    case 'file':
      return `write ${action.path} (${action.content.length} characters)`;
    case 'key':
      return `(umask 077; wg genkey > ${action.path})`;
    case 'directory':
      return `mkdir -p ${action.path}`;
    case 'process':
      return inNetns(action.netns) + onCpus(action.cpus) + action.argv.join(' ');
  }
}

const inNetns = (name: string | null): string => (name === null ? '' : `ip netns exec ${name} `);
const onCpus = (cpus: readonly number[]): string =>
  cpus.length === 0 ? '' : `taskset -c ${cpus.join(',')} `;
