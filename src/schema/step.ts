import * as z from 'zod';
import { SETTING_PATH } from './setting.js';

/** A network namespace by its name under /run/netns; null is the host's own. */
const netns = z.string().nullable();

/** The unix socket of a Docker daemon; null is the daemon that `docker` uses without options. */
const daemon = z.string().nullable();

/** A running Docker container in which a program is executed. */
const dockerContainerSchema = z.object({ name: z.string(), daemon });
export type DockerContainer = z.infer<typeof dockerContainerSchema>;

/** An attachment of a container by a CNI plugin: the runtime that asks for it is the study. */
export const cniAttachmentSchema = z.object({
  kind: z.literal('cni'),
  /** The path of the plugin. */
  plugin: z.string(),
  containerId: z.string(),
  /** The container's namespace by its name. */
  container: z.string(),
  link: z.string(),
});
export type CniAttachment = z.infer<typeof cniAttachmentSchema>;

/**
 * One change to a machine, as data. `command` runs a tool of iproute2 (consecutive commands of one tool in
 * one namespace share a `-batch`), `wg`, `docker` or `iptables`; the agent executes the others itself.
 */
const actionSchema = z.discriminatedUnion('kind', [
  z.object({
    kind: z.literal('command'),
    tool: z.enum(['ip', 'bridge', 'tc', 'wg', 'docker', 'iptables']),
    netns,
    args: z.array(z.string()).readonly(),
  }),
  z.object({ kind: z.literal('sysctl'), netns, key: z.string(), value: z.string() }),
  /** Writes a file of the kernel that exists (/proc/irq, /sys and /proc/sys by path), and reads it back. */
  z.object({ kind: z.literal('setting'), netns, path: z.string().regex(SETTING_PATH), value: z.string() }),
  /** An offload of a link, by its long name in `ethtool -k`. */
  z.object({
    kind: z.literal('feature'),
    netns,
    link: z.string(),
    feature: z.string(),
    value: z.enum(['on', 'off']),
  }),
  /** A table of nftables, family inet, with all its chains and rules in one transaction. */
  z.object({ kind: z.literal('nftables'), netns, table: z.string(), chains: z.array(z.string()).readonly() }),
  z.object({ kind: z.literal('file'), path: z.string(), content: z.string() }),
  /**
   * Generates a private key of WireGuard in a file that only its owner can read. The key never leaves the
   * machine.
   */
  z.object({ kind: z.literal('key'), path: z.string() }),
  z.object({ kind: z.literal('directory'), path: z.string() }),
  /** A control group with the greatest weight for CPU time. */
  z.object({ kind: z.literal('cgroup'), path: z.string() }),
  /** Names the namespace of a Docker container, so that `ip -n` finds it. */
  z.object({ kind: z.literal('container-netns'), container: dockerContainerSchema, name: z.string() }),
  /** Gets an image that the daemon lacks: from an archive of `docker save`, or from its registry. */
  z.object({ kind: z.literal('image'), reference: z.string(), archive: z.string().nullable(), daemon }),
  /** ADD. */
  cniAttachmentSchema,
  z.object({
    kind: z.literal('process'),
    name: z.string(),
    netns,
    argv: z.array(z.string()).readonly(),
    cpus: z.array(z.number()).readonly(),
    /** Gives the session high priority on its CPUs, so that other programs disturb it less. */
    highPriority: z.boolean().optional(),
    /** Executes the program in a container of Docker. */
    container: dockerContainerSchema.optional(),
    /** The step ends when this unix socket exists, which the program creates. */
    socket: z.string().optional(),
  }),
]);
export type Action = z.infer<typeof actionSchema>;

/** An object of Docker that a step creates. Its undo removes it by its name and, unless it is an image, its label. */
export const dockerUndoSchema = z.object({
  kind: z.literal('docker'),
  object: z.enum(['container', 'network', 'image']),
  name: z.string(),
  /** The value of the label `barewire.run`. */
  run: z.string(),
  daemon,
});
export type DockerUndo = z.infer<typeof dockerUndoSchema>;

/**
 * What a step creates on the machine, which its undo removes. Removing what is gone already succeeds. A `sysctl`, `setting` or
 * `feature` is restored to the value in the journal where it still holds what the step wrote; a `process` is stopped with its
 * whole session.
 */
const undoTargetSchema = z.discriminatedUnion('kind', [
  z.object({ kind: z.literal('netns'), name: z.string() }),
  z.object({ kind: z.literal('link'), netns, name: z.string() }),
  z.object({ kind: z.literal('route'), netns, destination: z.string() }),
  z.object({ kind: z.literal('qdisc'), netns, link: z.string() }),
  z.object({ kind: z.literal('sysctl'), netns, key: z.string() }),
  z.object({ kind: z.literal('setting'), netns, path: z.string() }),
  z.object({ kind: z.literal('feature'), netns, link: z.string(), feature: z.string() }),
  z.object({ kind: z.literal('nftables'), netns, table: z.string() }),
  z.object({ kind: z.literal('file'), path: z.string() }),
  z.object({ kind: z.literal('directory'), path: z.string() }),
  z.object({ kind: z.literal('process'), name: z.string() }),
  dockerUndoSchema,
  /** DEL. */
  cniAttachmentSchema,
  /** A control group and those below it, by its path in every hierarchy. */
  z.object({ kind: z.literal('cgroup'), path: z.string() }),
  /** A rule of iptables, by the arguments that follow `-D`. */
  z.object({ kind: z.literal('firewall-rule'), netns, rule: z.array(z.string()).readonly() }),
  /** The rules and chains of iptables that a Docker daemon of Barewire's own wrote. */
  z.object({ kind: z.literal('docker-rules'), netns }),
]);
export type UndoTarget = z.infer<typeof undoTargetSchema>;

/**
 * `undo: null` means that the change disappears with what an earlier step created (an address with its link).
 */
export const stepSchema = z.object({ why: z.string(), do: actionSchema, undo: undoTargetSchema.nullable() });
export type Step = z.infer<typeof stepSchema>;

/** A process whose name starts so holds the file open that follows. */
export const HOLDER = 'holds ';

/** The greatest weight that the kernel grants (MAX_SHARES in kernel/sched/sched.h); 1,024 by default. */
export const CPU_SHARES = 262_144;

/** The command that a reader could type to apply the step by hand. */
export function printAction(action: Action): string {
  switch (action.kind) {
    case 'command':
      return action.tool === 'ip' || action.tool === 'bridge' || action.tool === 'tc'
        ? [action.tool, ...(action.netns === null ? [] : ['-n', action.netns]), ...action.args].join(' ')
        : inNetns(action.netns) + [action.tool, ...action.args].join(' ');
    case 'sysctl':
      return `${inNetns(action.netns)}sysctl -w ${action.key}=${action.value}`;
    case 'setting':
      return `${inNetns(action.netns)}sh -c 'echo ${action.value} > ${action.path}'`;
    case 'feature':
      return `${inNetns(action.netns)}ethtool -K ${action.link} ${action.feature} ${action.value}`;
    case 'nftables':
      return `${inNetns(action.netns)}nft '${printTable(action)}'`;
    case 'file':
      return `write ${action.path} (${action.content.length} characters)`;
    case 'key':
      return `(umask 077; wg genkey > ${action.path})`;
    case 'directory':
      return `mkdir -p ${action.path}`;
    case 'cgroup':
      return `mkdir /sys/fs/cgroup/cpu/${action.path} && echo ${CPU_SHARES} > /sys/fs/cgroup/cpu/${action.path}/cpu.shares`;
    case 'container-netns':
      return `ip netns attach ${action.name} $(${dockerArgv(action.container.daemon, 'inspect', '--format', '{{.State.Pid}}', action.container.name).join(' ')})`;
    case 'image':
      return dockerArgv(
        action.daemon,
        ...(action.archive === null ? ['pull', action.reference] : ['load', '--input', action.archive]),
      ).join(' ');
    case 'cni':
      return [
        ...Object.entries(cniVariables('ADD', action)).map(([name, value]) => `${name}=${value}`),
        `${action.plugin} <<< '${cniConfiguration(action)}'`,
      ].join(' ');
    case 'process':
      return (
        inNetns(action.netns) +
        (action.cpus.length === 0 ? '' : `taskset -c ${action.cpus.join(',')} `) +
        (action.container === undefined
          ? []
          : dockerArgv(action.container.daemon, 'exec', '--interactive', action.container.name)
        )
          .concat(action.argv)
          .join(' ')
      );
  }
}

/** The environment of a CNI plugin. */
export const cniVariables = (
  command: 'ADD' | 'DEL',
  { plugin, containerId, container, link }: CniAttachment,
): Readonly<Record<string, string>> => ({
  CNI_COMMAND: command,
  CNI_CONTAINERID: containerId,
  CNI_NETNS: `/run/netns/${container}`,
  CNI_IFNAME: link,
  CNI_PATH: plugin.slice(0, plugin.lastIndexOf('/')),
});

/** Its network has a name of its own, so that the garbage collection of the host's runtime leaves the attachment. */
export const cniConfiguration = ({ plugin }: Pick<CniAttachment, 'plugin'>): string =>
  JSON.stringify({
    cniVersion: '1.0.0',
    name: 'barewire-study',
    type: plugin.slice(plugin.lastIndexOf('/') + 1),
  });

const inNetns = (name: string | null): string => (name === null ? '' : `ip netns exec ${name} `);

/** The command line of `docker` for a daemon. */
export const dockerArgv = (socket: string | null, ...args: readonly string[]): string[] => [
  'docker',
  ...(socket === null ? [] : ['--host', `unix://${socket}`]),
  ...args,
];

/** A table in the language of `nft -f`. */
export const printTable = ({ table, chains }: Extract<Action, { kind: 'nftables' }>): string =>
  `table inet ${table} { ${chains.map((chain) => `${chain}; `).join('')}}`;
