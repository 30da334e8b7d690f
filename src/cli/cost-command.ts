import { Command } from 'commander';
import { measureCost, type CellPlan, type CostEvent } from '../cost/index.js';
import { findNetwork } from '../network/index.js';
import { terminalCost } from '../report/index.js';
import { type BarewireError, nearest, WORKLOADS, type WorkloadName, userError } from '../schema/index.js';
import { COST_TOOLS, requireMachine, ResultsDirectory, writeReports } from '../study/index.js';
import type { Context } from './context.js';
import type { Terminal } from './terminal.js';

interface CostFlags {
  readonly networks: string;
  readonly workloads: string;
  readonly connections: string;
  readonly repeats: string;
  readonly kernel?: readonly string[];
  readonly into?: string;
  readonly json?: true;
}

const NETWORKS = 'host,macvlan,ipvlan,ipvlan-l3,flannel-host-gw,flannel-vxlan';

export const costCommand = (context: Context): Command =>
  new Command('cost')
    .summary('count the instructions of a request on each network')
    .description(
      'Boots a guest with one emulated CPU whose clock counts instructions, raises each network in it, and says how many ' +
        'instructions one request takes, client and server together: user and kernel, the difference to host, and which ' +
        'parts of the kernel it goes to. With the same kernel and programs the figures are the same in every run, whatever else ' +
        'runs on the machine. ' +
        'They are path lengths, not times.',
    )
    .option('--networks <names>', 'comma-separated catalog names; host is always measured too', NETWORKS)
    .option('--workloads <names>', 'comma-separated: 350B, 4KB', '350B')
    .option('--connections <counts>', 'comma-separated: how many connections the client keeps busy', '16')
    .option('--repeats <n>', 'of each figure', '3')
    .option(
      '--kernel <image>',
      "a bzImage with its modules (X/boot/vmlinuz-V and X/lib/modules/V); twice compares two (default: this machine's, or Debian's)",
      (image: string, before?: readonly string[]) => [...(before ?? []), image],
    )
    .option(
      '--into <dir>',
      'keep it in a results directory, whose reports are made again with a column for it',
    )
    .option('--json', 'print one object, as schema/cost.schema.json has it')
    .addHelpText(
      'after',
      `
Examples:
  barewire cost                                          six networks, in two to three minutes
  barewire cost --networks ipvlan,macvlan --connections 1,64
  barewire cost --workloads 350B,4KB --networks flannel-vxlan
  barewire cost --into results/quick-20260101T000000Z    beside a study, as a column of its reports
  barewire cost --kernel A/boot/vmlinuz-6.1 --kernel B/boot/vmlinuz-6.12

How to read it: the client is h2load, in a closed loop, on one CPU with nginx, so that the user part is the same for all networks
and the differences are the network's. Repeats that differ by more than 0.5 % are named in a warning (exit status 1).
What is not in it: caches, memory, waiting, NICs. A network with a longer path is not slower by as much: see METHODOLOGY.md.`,
    )
    .action((flags: CostFlags) => cost(context, flags));

async function cost({ terminal, signal, version, fail }: Context, flags: CostFlags): Promise<void> {
  const networks = list(flags.networks);
  for (const name of networks) findNetwork(name);
  const cells = cellsOf(flags);
  const directory = flags.into === undefined ? null : new ResultsDirectory(flags.into);
  await directory?.readStudy();
  requireMachine(COST_TOOLS);
  const found = await measureCost({
    networks,
    cells,
    kernels: flags.kernel ?? [null],
    version,
    signal,
    onEvent: showCost(terminal),
  });
  if (directory !== null) {
    await directory.writeReport('cost.json', `${JSON.stringify(found, null, 2)}\n`);
    await writeReports(directory);
    terminal.note(`Kept in ${directory.path}, whose reports have a column for it.`);
  }
  const { colour, width } = terminal;
  terminal.print(
    flags.json === true ? JSON.stringify(found, null, 2) : terminalCost(found, { colour, width }),
  );
  const bad = found.kernels.some(({ networks: all }) => all.some(({ status }) => status === 'failed'));
  if (bad || found.warnings.length > 0) fail();
}

function cellsOf(flags: CostFlags): CellPlan[] {
  const repeats = count('--repeats', flags.repeats, 2, 100);
  const connections = list(flags.connections).map((text) => count('--connections', text, 1, 1_000));
  return list(flags.workloads)
    .map(workloadOf)
    .flatMap((workload) => connections.map((each) => ({ workload, connections: each, repeats })));
}

const list = (text: string): string[] => [...new Set(text.split(',').map((item) => item.trim()))];

function count(option: string, text: string, least: number, most: number): number {
  const value = /^\d+$/.test(text) ? Number(text) : NaN;
  if (value >= least && value <= most) return value;
  throw bad(
    `${option} ${JSON.stringify(text)} is not a number from ${least} to ${most}.`,
    `Write ${option} 16.`,
  );
}

function workloadOf(name: string): WorkloadName {
  const found = WORKLOADS.find((each) => each === name);
  if (found !== undefined) return found;
  const meant = nearest(name, WORKLOADS);
  throw bad(
    `There is no workload ${JSON.stringify(name)}.`,
    `${meant === undefined ? '' : `Did you mean ${meant}? `}There are ${WORKLOADS.join(', ')}.`,
  );
}

const bad = (message: string, hint: string): BarewireError => userError(message, hint);

/** Shows a run as it goes on: what is done stays, what is being done is rewritten in place. */
function showCost(terminal: Terminal): (event: CostEvent) => void {
  return (event) => {
    switch (event.kind) {
      case 'restored':
        terminal.note(
          `An earlier run had ended without clean-up: undid ${event.steps} steps on ${event.hosts.join(', ')}.`,
        );
        break;
      case 'booting':
        terminal.status(`Booting a guest${event.kernel === null ? '' : ` with ${event.kernel}`} …`);
        break;
      case 'booted':
        terminal.note(`A guest with kernel ${event.kernel} is up after ${(event.ms / 1_000).toFixed(1)} s`);
        break;
      case 'started':
        terminal.status(`${event.kernel}: ${event.network} …`);
        break;
      case 'unmeasured':
        terminal.note(`${event.kernel}: ${event.network}: ${event.reason}`);
        break;
      case 'measured':
        terminal.note(`${event.kernel}: ${event.network}: ${line(event.cell)}`);
        break;
    }
  };
}

const line = ({
  workload,
  connections,
  instructions,
  spread,
}: Extract<CostEvent, { kind: 'measured' }>['cell']): string =>
  `${workload}, ${connections} connection${connections === 1 ? '' : 's'}: ${Math.round(instructions.total).toLocaleString('en-US')} instructions a request ` +
  `(±${(spread * 100).toFixed(2)} %)`;
