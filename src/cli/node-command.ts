import { Command, Option } from 'commander';
import { once } from 'node:events';
import { setFlagsFromString } from 'node:v8';
import { runInNewContext } from 'node:vm';
import { requireSocketPath } from '../machine/index.js';
import { userError } from '../schema/index.js';
import {
  askNode,
  ATTACHMENTS,
  installPlugin,
  leaveNetwork,
  NodeAgent,
  serveNode,
  uninstallPlugin,
  type AttachmentName,
  type NodeEvent,
  type NodeOptions,
} from '../service/index.js';
import { checkFlanneldVariables } from './flanneld-flags.js';
import type { Context } from './format.js';
import { adoptCommand } from './node-adopt.js';
import { nodeStatusCommand } from './node-status.js';
import {
  cniOption,
  etcdOptions,
  externalOf,
  flanneld,
  folderOptions,
  interfaceOptions,
  leasesOf,
  socketOption,
  stateOption,
  type EtcdFlags,
  type InterfaceFlags,
} from './node-options.js';

/** flanneld's options, and Barewire's own. */
interface NodeFlags extends EtcdFlags, InterfaceFlags {
  readonly subnetFile: string;
  readonly ipMasq?: boolean;
  readonly subnetLeaseRenewMargin: string;
  readonly iptablesResync: string;
  readonly healthzIp: string;
  readonly healthzPort: string;
  readonly attachment: AttachmentName;
  readonly state: string;
  readonly socket: string;
  readonly cni: string;
}

const LEASE_S = 86_400;
/** How long an agent may take to end. */
const STOP_LIMIT_MS = 10_000;

export function nodeCommand(context: Context): Command {
  const command = new Command('node')
    .enablePositionalOptions()
    .summary('run a node of a flannel network')
    .description(
      'Joins a flannel network as an equal of flanneld: gets a subnet in etcd, and keeps links, routes and rules as the leases of all ' +
        "nodes require. Options and environment variables are flanneld's where they mean the same. The network stays when the agent " +
        'stops; `barewire node leave` removes it.',
    )
    .addHelpText(
      'after',
      '\nExamples:\n' +
        '  barewire node --etcd-endpoints http://10.0.0.1:2379 --ip-masq\n' +
        '  barewire node --etcd-endpoints http://10.0.0.1:2379 --attachment ipvlan-l3s\n' +
        '  barewire node status',
    );
  for (const option of [...etcdOptions(), ...interfaceOptions()]) command.addOption(option);
  command
    .addOption(
      flanneld('--subnet-file <path>', 'file for CNI plugins and Docker').default('/run/flannel/subnet.env'),
    )
    .addOption(
      flanneld('--ip-masq [boolean]', 'masquerade what containers send to other networks')
        .preset('true')
        .argParser(parseBoolean),
    )
    .addOption(
      flanneld('--subnet-lease-renew-margin <minutes>', 'renew the lease so long before its end').default(
        '60',
      ),
    )
    .addOption(flanneld('--iptables-resync <seconds>', 'how often the rules are compared').default('5'))
    .addOption(flanneld('--healthz-ip <address>', 'address of /healthz and /metrics').default('0.0.0.0'))
    .addOption(flanneld('--healthz-port <port>', 'port of /healthz and /metrics; 0 is none').default('0'))
    .addOption(
      new Option('--attachment <name>', 'how containers join this node')
        .choices([...ATTACHMENTS])
        .default('bridge')
        .env('BAREWIRE_NODE_ATTACHMENT'),
    )
    .addOption(stateOption())
    .addOption(socketOption())
    .addOption(cniOption())
    .action((flags: NodeFlags) => runNode(context, flags));
  command.addCommand(nodeStatusCommand(context));
  const install = command
    .command('install')
    .description(
      'Writes the CNI plugin, a shell script that hands its requests to the agent, and its configuration, and checks that it runs here.',
    )
    .option('--remove', 'remove both instead')
    .option('--json', 'print what was written');
  for (const option of folderOptions()) install.addOption(option);
  install.action((flags: InstallFlags) => installHere(context, flags));
  command.addCommand(adoptCommand(context));
  const leave = command
    .command('leave')
    .description(
      "Stops the agent, deletes this node's lease, and removes its links, routes, rules and files. Containers lose their connections to " +
        'other nodes. Safe to repeat.',
    )
    .addOption(stateOption())
    .addOption(socketOption())
    .option('--keep-lease', 'leave the lease to its end: etcd need not be reachable')
    .option('--json', 'print what was removed');
  for (const option of etcdOptions()) leave.addOption(option);
  leave.action((flags: NodeFlags & { readonly keepLease?: true; readonly json?: true }) =>
    leaveNode(context, flags),
  );
  return command;
}

/** As flanneld's environment variables have it: one that is set may be `false`. */
function parseBoolean(text: string): boolean {
  if (/^(?:1|t|true)$/i.test(text)) return true;
  if (/^(?:0|f|false)$/i.test(text)) return false;
  throw userError(
    `--ip-masq must be true or false, got \`${text}\`.`,
    'Use `--ip-masq` or `--ip-masq=false`.',
  );
}

function wholeNumber(option: string, text: string, most: number, least = 0): number {
  if (/^\d+$/.test(text) && Number(text) >= least && Number(text) <= most) return Number(text);
  throw userError(
    `${option} must be a whole number from ${least} to ${most}, got \`${text}\`.`,
    `See \`barewire node --help\`.`,
  );
}

async function runNode(context: Context, flags: NodeFlags): Promise<void> {
  const { terminal, signal } = context;
  checkFlanneldVariables(process.env);
  const marginMin = wholeNumber(
    '--subnet-lease-renew-margin',
    flags.subnetLeaseRenewMargin,
    LEASE_S / 60 - 1,
  );
  const healthzPort = wholeNumber('--healthz-port', flags.healthzPort, 65_535);
  const options: NodeOptions = {
    leases: { ...leasesOf(flags), ttlS: LEASE_S, renewAfterMs: (LEASE_S - marginMin * 60) * 1_000 },
    external: externalOf(flags),
    subnetFile: flags.subnetFile,
    ipMasq: flags.ipMasq === true,
    rulesCheckMs: 1_000 * wholeNumber('--iptables-resync', flags.iptablesResync, 86_400, 1),
    attachment: flags.attachment,
    stateFolder: flags.state,
    keyFile: process.env['WIREGUARD_KEY_FILE'] ?? '/run/flannel/wgkey',
    cniFolder: flags.cni,
  };
  await requireSocketPath(flags.socket);
  context.announceStop('Stopping the agent. The network stays; `barewire node leave` removes it.');
  await using agent = await NodeAgent.start(options, signal, (event) => terminal.note(printEvent(event)));
  keepHeapSmall();
  const stopped = new AbortController();
  const stop = (): void => stopped.abort();
  await using _socket = await serveNode(agent, { socket: flags.socket }, stop);
  await using _probes =
    healthzPort === 0 ? null : await serveNode(agent, { host: flags.healthzIp, port: healthzPort }, stop);
  const ended = AbortSignal.any([signal, stopped.signal]);
  if (!ended.aborted) await once(ended, 'abort');
}

/**
 * V8 lets the heap double before it collects what replaced leases leave, and has its first limit from before the start. From now on it
 * collects after a quarter.
 */
function keepHeapSmall(): void {
  setFlagsFromString('--heap-growing-percent=25');
  setFlagsFromString('--expose-gc');
  (runInNewContext('gc') as () => void)();
}

/** One line of JSON for each event: for journald and what reads it. */
function printEvent(event: NodeEvent): string {
  const time = new Date().toISOString();
  const data =
    'error' in event
      ? { ...event, error: { code: event.error.code, message: event.error.message, hint: event.error.hint } }
      : event;
  return JSON.stringify({ time, ...data });
}

interface InstallFlags {
  readonly binDir: string;
  readonly confDir: string;
  readonly cni: string;
  readonly remove?: true;
  readonly json?: true;
}

async function installHere({ terminal }: Context, flags: InstallFlags): Promise<void> {
  const folders = { binFolder: flags.binDir, configFolder: flags.confDir, cniFolder: flags.cni };
  if (flags.remove === true) {
    await uninstallPlugin(folders);
    terminal.print(`Removed the CNI plugin from ${flags.binDir} and ${flags.confDir}.`);
    return;
  }
  const installed = await installPlugin(folders);
  terminal.print(
    flags.json === true
      ? JSON.stringify(installed, null, 2)
      : `Installed the CNI plugin ${installed.plugin} and its configuration ${installed.config}.`,
  );
}

async function leaveNode(
  { terminal, signal }: Context,
  flags: NodeFlags & { readonly keepLease?: true; readonly json?: true },
): Promise<void> {
  const etcd = flags.keepLease === true ? null : leasesOf(flags);
  const isStopping = await askNode(flags.socket, 'POST', '/stop').then(
    () => true,
    // No agent runs.
    () => false,
  );
  const left = await leaveNetwork(
    { stateFolder: flags.state, socket: flags.socket },
    etcd,
    signal,
    isStopping ? STOP_LIMIT_MS : 0,
  );
  if (flags.json === true) {
    terminal.print(JSON.stringify(left, null, 2));
    return;
  }
  terminal.print(
    left.subnet === null
      ? 'This host had not joined a network.'
      : `Left the network: subnet ${left.subnet}, ${left.removedObjects} objects of the kernel removed, ` +
          `the lease ${left.leaseDeleted ? 'deleted' : 'left as it is'}.`,
  );
  if (left.attachedContainers.length > 0)
    terminal.note(
      `Their interfaces stay, without the network, until they are removed: ${left.attachedContainers.join(', ')}.`,
    );
}
