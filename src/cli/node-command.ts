import { Command, Option } from 'commander';
import { once } from 'node:events';
import { userError } from '../schema/index.js';
import { ResultsDirectory } from '../study/index.js';
import {
  adoptionOf,
  askNode,
  askStatus,
  ATTACHMENTS,
  installPlugin,
  leaveNetwork,
  NodeAgent,
  serveNode,
  uninstallPlugin,
  type Adoption,
  type AttachmentName,
  type NodeEvent,
  type NodeOptions,
} from '../service/index.js';
import type { Context } from './format.js';

/** flanneld's options, and Barewire's own. */
interface NodeFlags {
  readonly etcdEndpoints: string;
  readonly etcdPrefix: string;
  readonly etcdCafile?: string;
  readonly etcdCertfile?: string;
  readonly etcdKeyfile?: string;
  readonly etcdUsername?: string;
  readonly etcdPassword?: string;
  readonly iface?: string;
  readonly publicIp?: string;
  readonly subnetFile: string;
  readonly ipMasq?: boolean;
  readonly subnetLeaseRenewMargin: string;
  readonly healthzIp: string;
  readonly healthzPort: string;
  readonly attachment: AttachmentName;
  readonly state: string;
  readonly socket: string;
  readonly cni: string;
}

const SOCKET = '/run/barewire/node.sock';
const STATE = '/var/lib/barewire/node';
const LEASE_S = 86_400;
/** How long an agent may take to end. */
const STOP_LIMIT_MS = 10_000;

/** An option of flanneld, with its environment variable. */
const flanneld = (flags: string, description: string): Option =>
  new Option(flags, description).env(
    `FLANNELD_${(/--([\w-]+)/.exec(flags)?.[1] ?? '').replaceAll('-', '_').toUpperCase()}`,
  );

const etcdOptions = (): Option[] => [
  flanneld('--etcd-endpoints <urls>', 'members of etcd, with commas').default('http://127.0.0.1:2379'),
  flanneld('--etcd-prefix <path>', "flannel's prefix in etcd").default('/coreos.com/network'),
  flanneld('--etcd-cafile <file>', 'certificate authority of etcd'),
  flanneld('--etcd-certfile <file>', 'certificate of this client'),
  flanneld('--etcd-keyfile <file>', 'key of this client'),
  flanneld('--etcd-username <name>', 'user of etcd'),
  flanneld('--etcd-password <password>', 'its password; better by FLANNELD_ETCD_PASSWORD'),
];

const stateOption = (): Option =>
  new Option('--state <directory>', "the node's record").default(STATE).env('BAREWIRE_NODE_STATE');
const socketOption = (): Option =>
  new Option('--socket <path>', "the agent's unix socket").default(SOCKET).env('BAREWIRE_NODE_SOCKET');

const cniOption = (): Option =>
  new Option('--cni <directory>', 'where the CNI plugin hands over its requests')
    .default('/run/barewire/cni')
    .env('BAREWIRE_NODE_CNI');

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
  for (const option of etcdOptions()) command.addOption(option);
  command
    .addOption(
      flanneld(
        '--iface <name>',
        'interface to the other nodes, by name or address (default: of the default route)',
      ),
    )
    .addOption(
      flanneld('--public-ip <address>', "address that other nodes connect to (default: the interface's)"),
    )
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
    .addOption(flanneld('--healthz-ip <address>', 'address of /healthz and /metrics').default('0.0.0.0'))
    .addOption(flanneld('--healthz-port <port>', 'port of /healthz and /metrics; 0 is none').default('0'))
    .addOption(
      new Option('--attachment <name>', 'how containers join this node')
        .choices([...ATTACHMENTS])
        .default('bridge'),
    )
    .addOption(stateOption())
    .addOption(socketOption())
    .addOption(cniOption())
    .action((flags: NodeFlags) => runNode(context, flags));
  command
    .command('status')
    .description('Shows the lease, the peers, repaired drift and the last errors of the running agent.')
    .addOption(socketOption())
    .option('--json', 'print the status as JSON')
    .action((flags: { readonly socket: string; readonly json?: true }) => showStatus(context, flags));
  const folders = (): Option[] => [
    new Option('--bin-dir <directory>', 'where runtimes look for CNI plugins').default('/opt/cni/bin'),
    new Option('--conf-dir <directory>', 'where they look for configurations').default('/etc/cni/net.d'),
    cniOption(),
  ];
  const install = command
    .command('install')
    .description(
      'Writes the CNI plugin, a shell script that hands its requests to the agent, and its configuration, and checks that it runs here.',
    )
    .option('--remove', 'remove both instead')
    .option('--json', 'print what was written');
  for (const option of folders()) install.addOption(option);
  install.action((flags: InstallFlags) => installHere(context, flags));
  command
    .command('adopt')
    .argument('<results>', 'results directory of a study')
    .description(
      "Prints how nodes run the network that a study has decided for: flannel's config in etcd, and the command of each node.",
    )
    .option('--network <name>', "another network of the study than its decision's")
    .option('--cidr <network>', "the network of all nodes' subnets", '10.50.0.0/16')
    .option('--json', 'print it as JSON')
    .action((results: string, flags: AdoptFlags) => adoptNetwork(context, results, flags));
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

function leasesOf(flags: NodeFlags): NodeOptions['leases'] {
  const { etcdUsername: name, etcdPassword: password = '' } = flags;
  return {
    endpoints: flags.etcdEndpoints.split(',').map((url) => url.trim()),
    prefix: flags.etcdPrefix,
    tls: { caFile: flags.etcdCafile, certificateFile: flags.etcdCertfile, keyFile: flags.etcdKeyfile },
    ...(name !== undefined && { user: { name, password } }),
  };
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

function wholeNumber(option: string, text: string, most: number): number {
  if (/^\d+$/.test(text) && Number(text) <= most) return Number(text);
  throw userError(
    `${option} must be a whole number up to ${most}, got \`${text}\`.`,
    `See \`barewire node --help\`.`,
  );
}

async function runNode(context: Context, flags: NodeFlags): Promise<void> {
  const { terminal, signal } = context;
  const marginMin = wholeNumber(
    '--subnet-lease-renew-margin',
    flags.subnetLeaseRenewMargin,
    LEASE_S / 60 - 1,
  );
  const healthzPort = wholeNumber('--healthz-port', flags.healthzPort, 65_535);
  const options: NodeOptions = {
    leases: { ...leasesOf(flags), ttlS: LEASE_S, renewAfterMs: (LEASE_S - marginMin * 60) * 1_000 },
    iface: flags.iface ?? null,
    publicIp: flags.publicIp ?? null,
    subnetFile: flags.subnetFile,
    ipMasq: flags.ipMasq === true,
    attachment: flags.attachment,
    stateFolder: flags.state,
    cniFolder: flags.cni,
  };
  context.announceStop('Stopping the agent. The network stays; `barewire node leave` removes it.');
  await using agent = await NodeAgent.start(options, signal, (event) => terminal.note(printEvent(event)));
  const stopped = new AbortController();
  const stop = (): void => stopped.abort();
  await using _socket = await serveNode(agent, { socket: flags.socket }, stop);
  await using _probes =
    healthzPort === 0 ? null : await serveNode(agent, { host: flags.healthzIp, port: healthzPort }, stop);
  const ended = AbortSignal.any([signal, stopped.signal]);
  if (!ended.aborted) await once(ended, 'abort');
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

interface AdoptFlags {
  readonly network?: string;
  readonly cidr: string;
  readonly json?: true;
}

async function adoptNetwork(
  { terminal, fail }: Context,
  results: string,
  { network, cidr, json }: AdoptFlags,
): Promise<void> {
  const { decision, networks } = await new ResultsDirectory(results).readSummary();
  const chosen = network ?? decision?.network;
  if (chosen === undefined)
    throw userError(
      `${results} has no decision.`,
      `Name one of its networks: --network ${networks.map(({ name }) => name).join('|')}`,
    );
  if (!networks.some(({ name }) => name === chosen))
    throw userError(
      `${results} has no network ${chosen}: it has ${networks.map(({ name }) => name).join(', ')}.`,
      'Name one of these.',
    );
  const adoption = adoptionOf(chosen);
  const config = adoption.kind === 'node' ? { Network: cidr, Backend: { Type: adoption.backend } } : null;
  if (adoption.kind === 'not-run') fail();
  if (json === true) {
    terminal.print(JSON.stringify({ ...adoption, config }, null, 2));
    return;
  }
  terminal.print(describeAdoption(adoption, JSON.stringify(config)));
}

function describeAdoption(adoption: Adoption, config: string): string {
  switch (adoption.kind) {
    case 'host':
      return "The study has decided for host: containers share their host's network (`docker run --network host`). There is nothing to run.";
    case 'not-run':
      return `The study has decided for ${adoption.network}, which needs ${adoption.needs}: barewire node does not run it. Name another by --network.`;
    case 'node':
      return [
        `${adoption.network}: the backend ${adoption.backend} with containers by ${adoption.attachment}.`,
        '',
        'Once, in etcd:',
        `  etcdctl put /coreos.com/network/config '${config}'`,
        'On each node:',
        `  barewire node --etcd-endpoints http://HOST:2379 --ip-masq --attachment ${adoption.attachment}`,
        '  barewire node install',
      ].join('\n');
  }
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

async function showStatus(
  { terminal }: Context,
  { socket, json }: { readonly socket: string; readonly json?: true },
): Promise<void> {
  const status = await askStatus(socket);
  if (json === true) {
    terminal.print(JSON.stringify(status, null, 2));
    return;
  }
  const rows: readonly (readonly [string, string])[] = [
    ['subnet', [status.subnet, status.ipv6Subnet ?? ''].join(' ').trim()],
    ['lease', status.leaseConfirmed ? 'confirmed by etcd' : 'not confirmed: another node may get the subnet'],
    ['backend', `${status.backend}, MTU ${status.mtu}`],
    ['attachment', status.attachment],
    ['interface', `${status.interface}, ${[status.publicIp, status.publicIpv6 ?? ''].join(' ').trim()}`],
    ['peers', `${status.peers}, of which ${status.unusedPeers.length} are not used`],
    ['rules', status.rules ?? 'none'],
    ['repaired', `${status.repairedObjects} objects in ${status.checks} checks`],
    ['refused', `${status.refusedEdits} changes`],
  ];
  const lines = rows.map(([name, value]) => `${name.padEnd(12)}${value}`);
  const unused = status.unusedPeers.map(({ subnet, problem }) => `  ${subnet}: ${describeProblem(problem)}`);
  const errors = status.lastErrors.map((error) => `  ${error}`);
  terminal.print(
    [
      ...lines,
      ...(unused.length === 0 ? [] : ['', 'Peers that are not used:', ...unused]),
      ...(errors.length === 0 ? [] : ['', 'Last errors:', ...errors]),
    ].join('\n'),
  );
}

type Problem = Awaited<ReturnType<typeof askStatus>>['unusedPeers'][number]['problem'];

function describeProblem(problem: Problem): string {
  switch (problem.kind) {
    case 'other-backend':
      return `it has the backend ${problem.backendType}`;
    case 'not-on-segment':
      return `${problem.publicIp} is not on this node's segment`;
    case 'no-path':
      return problem.reason === 'no-vxlan-here'
        ? 'it has no route in the VPC, and this node does not encapsulate'
        : 'it has no route in the VPC, and accepts no VXLAN';
    case 'no-tunnel-mac':
      return 'it has published no MAC of its tunnel device';
  }
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
  const left = await leaveNetwork(flags.state, etcd, signal, isStopping ? STOP_LIMIT_MS : 0);
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
}
