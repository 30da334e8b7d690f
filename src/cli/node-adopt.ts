import { Command } from 'commander';
import { realpathSync } from 'node:fs';
import { machineError, networkOfArm, userError } from '../schema/index.js';
import {
  adoptionOf,
  ENVIRONMENT_PATH,
  hasSystemd,
  planAdoption,
  pluginFiles,
  printEnvironment,
  printUnit,
  readAdoptionState,
  takeAdoptionStep,
  UNIT,
  UNIT_PATH,
  untilHealthy,
  type Adoption,
  type AdoptionGoal,
  type AdoptionPlaces,
  type AdoptionStep,
} from '../service/index.js';
import { confirm } from './confirm.js';
import type { Context } from './format.js';
import {
  etcdOptions,
  flanneldVariable,
  folderOptions,
  interfaceOptions,
  leasesOf,
  socketOption,
  type EtcdFlags,
  type InterfaceFlags,
} from './node-options.js';

interface AdoptFlags extends EtcdFlags, InterfaceFlags {
  readonly network?: string;
  readonly cidr: string;
  readonly apply?: true;
  readonly yes?: true;
  readonly json?: true;
  readonly binDir: string;
  readonly confDir: string;
  readonly cni: string;
  readonly socket: string;
}

type AdoptedNode = Extract<Adoption, { kind: 'node' }>;

export function adoptCommand(context: Context): Command {
  const command = new Command('adopt')
    .argument('<results>', 'results directory of a study')
    .description(
      "Prints how nodes run the network that a study has decided for: flannel's config in etcd, and the command of each node. With " +
        '--apply it writes the config unless there is one, installs the CNI plugin, starts the agent by systemd, and waits until it is ' +
        'healthy. Run it on each node. Safe to repeat.',
    )
    .option('--network <name>', "another network of the study than its decision's")
    .option('--cidr <network>', "the network of all nodes' subnets", '10.50.0.0/16')
    .option('--apply', 'do it on this node')
    .option('--yes', 'do not ask before anything is changed')
    .option('--json', 'print it as JSON');
  for (const option of [...etcdOptions(), ...interfaceOptions(), ...folderOptions(), socketOption()])
    command.addOption(option);
  return command.action((results: string, flags: AdoptFlags) => adoptNetwork(context, results, flags));
}

async function adoptNetwork(context: Context, results: string, flags: AdoptFlags): Promise<void> {
  const { terminal, fail } = context;
  // The other commands of nodes do without.
  const { ResultsDirectory } = await import('../study/index.js');
  const { decision, networks } = await new ResultsDirectory(results).readSummary();
  // An ablation has arms of each network.
  const names = [...new Set(networks.map(({ name }) => networkOfArm(name)))];
  const chosen = flags.network ?? (decision == null ? undefined : networkOfArm(decision.network));
  if (chosen === undefined)
    throw userError(`${results} has no decision.`, `Name one of its networks: --network ${names.join('|')}`);
  if (!names.includes(chosen))
    throw userError(`${results} has no network ${chosen}: it has ${names.join(', ')}.`, 'Name one of these.');
  const adoption = adoptionOf(chosen);
  const config =
    adoption.kind === 'node' ? { Network: flags.cidr, Backend: { Type: adoption.backend } } : null;
  if (adoption.kind === 'not-run') fail();
  const goal = adoption.kind === 'node' ? goalOf(adoption, JSON.stringify(config), flags) : null;
  const steps = goal === null || flags.apply !== true ? null : await apply(context, goal, flags);
  if (flags.json === true) terminal.print(JSON.stringify({ ...adoption, config, ...steps }, null, 2));
  else if (steps === null) terminal.print(describeAdoption(adoption, goal));
}

function goalOf({ backend, attachment }: AdoptedNode, value: string, flags: AdoptFlags): AdoptionGoal {
  const { etcdEndpoints, etcdPrefix, binDir, confDir, cni } = flags;
  const options = {
    'etcd-endpoints': etcdEndpoints,
    'etcd-prefix': etcdPrefix,
    'etcd-cafile': flags.etcdCafile,
    'etcd-certfile': flags.etcdCertfile,
    'etcd-keyfile': flags.etcdKeyfile,
    'etcd-username': flags.etcdUsername,
    // A variable holds one value.
    iface: flags.iface?.[0],
    'iface-regex': flags.ifaceRegex?.[0],
    'iface-can-reach': flags.ifaceCanReach,
    'public-ip': flags.publicIp,
    'public-ipv6': flags.publicIpv6,
  };
  const given = Object.entries(options).flatMap(([name, text]) =>
    text === undefined ? [] : [[name, text] as const],
  );
  const variables = {
    ...Object.fromEntries(given.map(([name, text]) => [flanneldVariable(name), text])),
    ...(flags.etcdPassword !== undefined && { FLANNELD_ETCD_PASSWORD: flags.etcdPassword }),
    FLANNELD_IP_MASQ: 'true',
    BAREWIRE_NODE_ATTACHMENT: attachment,
    BAREWIRE_NODE_SOCKET: flags.socket,
    BAREWIRE_NODE_CNI: cni,
  };
  const program = [process.execPath, realpathSync(process.argv[1] ?? '')];
  return {
    backend,
    attachment,
    config: { key: `/${etcdPrefix.replaceAll(/^\/+|\/+$/g, '')}/config`, value },
    plugin: pluginFiles({ binFolder: binDir, configFolder: confDir, cniFolder: cni }),
    unit: hasSystemd()
      ? [
          { path: ENVIRONMENT_PATH, content: printEnvironment(variables), mode: 0o600 },
          { path: UNIT_PATH, content: printUnit(program), mode: 0o644 },
        ]
      : null,
    commandLine: [
      'barewire node',
      ...given.map(([name, text]) => `--${name} ${text}`),
      `--ip-masq --attachment ${attachment}`,
    ].join(' '),
  };
}

/** Prints the steps, asks, and takes those that are not done. */
async function apply(
  { terminal, signal }: Context,
  goal: AdoptionGoal,
  flags: AdoptFlags,
): Promise<{ readonly steps: readonly AdoptionStep[] }> {
  if (process.getuid?.() !== 0)
    throw machineError('not-root', 'To make this machine a node needs root.', 'Run it with sudo.');
  const { binDir, confDir, cni, etcdPrefix, socket, yes } = flags;
  const places: AdoptionPlaces = {
    etcd: { ...leasesOf(flags), prefix: etcdPrefix },
    folders: { binFolder: binDir, configFolder: confDir, cniFolder: cni },
    socket,
  };
  const steps = planAdoption(goal, await readAdoptionState(goal, places, signal));
  const left = steps.filter(({ isDone, kind }) => !isDone && kind !== 'start-by-hand');
  for (const step of steps) terminal.note(`${step.isDone ? 'done' : 'to do'}  ${describeStep(step)}`);
  if (left.length > 0 && yes !== true) await confirm('To make this machine a node');
  for (const step of left) {
    terminal.note(`now    ${describeStep(step)}`);
    await takeAdoptionStep(step, places, signal);
  }
  const manual = steps.find((step) => step.kind === 'start-by-hand' && !step.isDone);
  if (manual !== undefined) {
    terminal.note('systemd does not run here. Start the agent, and see `barewire node status`.');
    return { steps };
  }
  const { subnet, peers } = await untilHealthy(socket, signal);
  terminal.note(`The agent is healthy: subnet ${subnet}, ${peers} peers. Run this on each node.`);
  return { steps };
}

function describeStep(step: AdoptionStep): string {
  switch (step.kind) {
    case 'write-config':
      return `etcdctl put ${step.key} '${step.value}'`;
    case 'install-plugin':
    case 'write-unit':
      return `write ${step.files.map(({ path }) => path).join(' and ')}`;
    case 'start-unit':
      return `systemctl daemon-reload && systemctl enable --now ${UNIT}`;
    case 'start-by-hand':
      return step.isDone ? 'an agent runs, which systemd has not started' : step.commandLine;
  }
}

function describeAdoption(adoption: Adoption, goal: AdoptionGoal | null): string {
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
        `  etcdctl put ${goal?.config.key ?? ''} '${goal?.config.value ?? ''}'`,
        'On each node:',
        `  ${goal?.commandLine ?? ''}`,
        '  barewire node install',
        'Or do all of it there: add --apply.',
      ].join('\n');
  }
}
