import { readFile } from 'node:fs/promises';
import { Command, Option } from 'commander';
import {
  builtInConfiguration,
  CHECK_GROUPS,
  checkPlugin,
  CHECKS,
  countStatuses,
  findPlugin,
  locatePlugin,
  openLab,
  parseConfiguration,
  renderMarkdownReports,
  renderReports,
  stateDirectoriesOf,
  uplinkOf,
  type CniCheckReport,
  type PluginReport,
} from '../cni/index.js';
import { resolve } from 'node:path';
import { lockMachine, undoAll, type Machine } from '../machine/index.js';
import { machineError, didYouMean, userError, fileFault } from '../schema/index.js';
import { requireTools } from '../study/index.js';
import type { Context } from './format.js';
import { noteRestored } from './restored.js';

interface CheckFlags {
  readonly config?: string;
  readonly pluginDir: readonly string[];
  readonly stateDir: readonly string[];
  readonly start?: string;
  readonly only?: string;
  readonly format: 'terminal' | 'markdown';
  readonly json?: true;
}

const repeated = (value: string, before: readonly string[]): readonly string[] => [...before, value];

export const cniCommand = (context: Context): Command =>
  new Command('cni').summary('check CNI plugins against the specification').addCommand(checkCommand(context));

const checkCommand = (context: Context): Command =>
  new Command('check')
    .summary('does a CNI plugin do what the specification says')
    .description(
      'Executes CNI plugins in network namespaces of its own, and checks each verb against the CNI specification: results, versions, ' +
        'repeated and early DEL, concurrent ADD, bad input, kills in the middle, delegation, and what stays behind on the host. ' +
        'The machine is not changed. See docs/cni.md.',
    )
    .argument(
      '<plugins...>',
      'paths of plugins, or names in --plugin-dir, CNI_PATH, /opt/cni/bin or /usr/lib/cni',
    )
    .option(
      '--config <file>',
      'a network configuration, a list or one plugin (default: a built-in one for bridge, ptp, macvlan, ipvlan, loopback)',
    )
    .option(
      '--plugin-dir <dir>',
      'where the plugins are, and those that they delegate to; repeatable',
      repeated,
      [],
    )
    .option(
      '--state-dir <dir>',
      'a directory of state besides /var/lib/cni and /run/cni: private in the check, and compared; repeatable',
      repeated,
      [],
    )
    .option(
      '--start <program>',
      "a program to run in the host namespace first, such as the plugin's daemon; it prints a line when it is ready",
    )
    .option(
      '--only <groups>',
      `comma-separated groups or checks: ${CHECK_GROUPS.join(', ')}, or one such as add.concurrent`,
    )
    .addOption(
      new Option('--format <format>', 'what to print').choices(['terminal', 'markdown']).default('terminal'),
    )
    .option('--json', 'print one object, with the input and the output of every call')
    .addHelpText(
      'after',
      `
Examples:
  barewire cni check bridge ptp macvlan                  installed plugins, with built-in configurations
  barewire cni check ./my-plugin --config net.conflist   your own, with your configuration
  barewire cni check ./my-plugin --config net.conflist --only add,del.repeated
  barewire cni check ./my-plugin --config net.conf --start ./my-daemon
  barewire cni check tuning --config net.conflist        a chained plugin: the list has the ones before it

How to read it: one row for each check, and below it the evidence for what failed: the difference, and the last call. A level "must"
or "should" is the specification's; "expected" follows from it or from what runtimes do. The host namespace has an uplink, named
by the first "master" of the configuration (eth0 without one).

Exit status: 0 all passed; 1 a check failed; 2 the request is wrong; 3 this machine cannot do it.`,
    )
    .action(async (plugins: string[], flags: CheckFlags) => {
      try {
        await check(context, plugins, flags);
      } catch (error) {
        // An interrupt closes the connection to the agent, which is no failure of its own.
        context.signal.throwIfAborted();
        throw error;
      }
    });

async function check(context: Context, plugins: readonly string[], flags: CheckFlags): Promise<void> {
  const { terminal, signal, version, fail } = context;
  const checks = chooseChecks(flags.only);
  const configurationFile = flags.config ?? null;
  const configured =
    configurationFile === null
      ? null
      : parseConfiguration(await readConfiguration(configurationFile), configurationFile);
  const targets = plugins.map((plugin) => {
    const found = findPlugin(plugin, flags.pluginDir);
    const network = configured ?? builtInConfiguration(found.type);
    if (!network.plugins.some(({ type }) => type === found.type))
      throw userError(
        `${configurationFile ?? ''} has no plugin of the type ${found.type}.`,
        `Its types are ${network.plugins.map(({ type }) => type).join(', ')}.`,
      );
    for (const { type, ipam } of network.plugins)
      for (const name of [type, ...(ipam?.type === undefined ? [] : [ipam.type])])
        locatePlugin(name, found.directories);
    return { found, network };
  });
  requireTools(['ip', 'mount']);
  await using _lock = await lockMachine('cni check');
  noteRestored(terminal, await undoAll());
  const reports: PluginReport[] = [];
  for (const { found, network } of targets) {
    terminal.status(`${found.type} …`);
    await using lab = await openLab({
      uplink: uplinkOf(network),
      stateDirectories: [...flags.stateDir, ...stateDirectoriesOf(network)],
      signal,
    });
    if (flags.start !== undefined) await startDaemon(lab.host, flags.start, signal);
    const onCheck = ({ id }: { readonly id: string }): void => terminal.status(`${found.type}: ${id} …`);
    const timed = flags.only === undefined;
    const report = await checkPlugin({
      lab,
      found,
      network,
      configurationFile,
      checks,
      timed,
      signal,
      onCheck,
    });
    terminal.note(`${found.type}: ${countStatuses(report.checks)}`);
    reports.push(report);
  }
  const data: CniCheckReport = { schema: 1, version, plugins: reports };
  if (flags.json === true) terminal.print(JSON.stringify(data, null, 2));
  else
    terminal.print(
      flags.format === 'markdown' ? renderMarkdownReports(reports) : renderReports(reports, terminal),
    );
  if (reports.some((report) => report.checks.some(({ status }) => status === 'failed'))) fail();
}

/** It ends with the host namespace. */
async function startDaemon(host: Machine, program: string, signal: AbortSignal): Promise<void> {
  const name = 'cni-daemon';
  const daemon = await host.start({
    why: "Start the plugin's daemon.",
    do: { kind: 'process', name, netns: null, argv: [resolve(program)], cpus: [] },
    undo: { kind: 'process', name },
  });
  if ((await daemon.readLine(signal)) !== null) return;
  const { code, stderrTail } = await daemon.exited;
  throw machineError(
    'process-failed',
    `${program} exited with status ${code ?? ''} before it printed a line: ${stderrTail.trim()}`,
    'It must keep running, and print a line when plugins can use it.',
  );
}

/** The checks of groups and ids. */
function chooseChecks(only: string | undefined): typeof CHECKS {
  if (only === undefined) return CHECKS;
  const names = only.split(',').map((name) => name.trim().toLowerCase());
  const known = [...CHECK_GROUPS, ...CHECKS.map(({ id }) => id)];
  for (const name of names)
    if (!known.includes(name))
      throw userError(
        `--only must name groups or checks, got ${JSON.stringify(name)}.`,
        `${didYouMean(name, known)}Groups are ${CHECK_GROUPS.join(', ')}.`,
      );
  return CHECKS.filter(({ id, group }) => names.includes(id) || names.includes(group));
}

async function readConfiguration(path: string): Promise<string> {
  try {
    return await readFile(path, 'utf8');
  } catch (cause) {
    throw userError(
      `Could not read the network configuration ${path}: ${fileFault(cause)}.`,
      'Give the path of a .conf or .conflist file.',
      { code: 'no-such-file', cause },
    );
  }
}
