import * as z from 'zod';

/** A network namespace by its name under /run/netns; null is the host's own. */
const netns = z.string().nullable();

/**
 * One change to a machine, as data. `command` runs a tool of iproute2 (consecutive commands of one tool in
 * one namespace share a `-batch`) or `wg`; the agent executes the others itself.
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
  /**
   * Generates a private key of WireGuard in a file that only its owner can read. The key never leaves the
   * machine.
   */
  z.object({ kind: z.literal('key'), path: z.string() }),
  z.object({ kind: z.literal('directory'), path: z.string() }),
  z.object({
    kind: z.literal('process'),
    name: z.string(),
    netns,
    argv: z.array(z.string()).readonly(),
    cpus: z.array(z.number()).readonly(),
    /** Gives the session high priority on its CPUs, so that other programs disturb it less. */
    highPriority: z.boolean().optional(),
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

/**
 * `undo: null` means that the change disappears with what an earlier step created (an address with its link).
 */
export const stepSchema = z.object({ why: z.string(), do: actionSchema, undo: undoTargetSchema.nullable() });
export type Step = z.infer<typeof stepSchema>;

/** The command that a reader could type to apply the step by hand. */
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
      return (
        inNetns(action.netns) +
        (action.cpus.length === 0 ? '' : `taskset -c ${action.cpus.join(',')} `) +
        action.argv.join(' ')
      );
  }
}

const inNetns = (name: string | null): string => (name === null ? '' : `ip netns exec ${name} `);
