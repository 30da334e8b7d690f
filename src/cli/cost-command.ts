import { Command } from 'commander';
import { measureCost, planCostAblation, type CellPlan, type CostEvent } from '../cost/index.js';
import { findNetwork } from '../network/index.js';
import { buildCostDocument, describeFinding } from '../report/index.js';
import {
  type BarewireError,
  didYouMean,
  requireQuantity,
  REFERENCE,
  toolsOf,
  WORKLOADS,
  wholeQuantity,
  type WorkloadName,
  userError,
} from '../schema/index.js';
import { requireMachine, ResultsDirectory, THIS_MACHINE, writeReports } from '../study/index.js';
import { resolveProfile } from '../tuning/index.js';
import { type Context, formatOption, printDocument, writeDocument, type FormatFlags } from './format.js';
import { noteRestored } from './restored.js';
import type { Terminal } from './terminal.js';

interface CostFlags extends FormatFlags {
  readonly networks?: string;
  readonly ablate?: string;
  readonly workloads: string;
  readonly connections: string;
  readonly repeats: string;
  readonly kernel?: readonly string[];
  readonly into?: string;
  readonly out?: string;
}

const NETWORKS = 'host,macvlan,ipvlan,ipvlan-l3,flannel-host-gw,flannel-vxlan';

export const costCommand = (context: Context): Command =>
  new Command('cost')
    .summary('instructions per request for each network, exact and repeatable')
    .description(
      'Boots a guest with one emulated CPU whose clock counts instructions, sets up each network in it, and prints the ' +
        'instructions per request of client and server: user and kernel, the difference to host, and the groups of kernel ' +
        'functions they belong to. With the same kernel and programs every run gives the same counts, whatever else runs on the ' +
        'machine. They are not times. With --ablate it compares the knobs of a profile of `tune` on each network.',
    )
    .option(
      '--networks <names>',
      `comma-separated catalog names; host is always counted too (default: ${NETWORKS}; with --ablate: host)`,
    )
    .option('--ablate <profile|file>', 'count what each knob of a profile costs, alone and left out of all')
    .option('--workloads <names>', 'comma-separated: 350B, 4KB', '350B')
    .option('--connections <counts>', "comma-separated: the client's connections", '16')
    .option('--repeats <n>', 'counts of each cell', '3')
    .option(
      '--kernel <image>',
      "a bzImage with its modules (X/boot/vmlinuz-V and X/lib/modules/V); twice compares two (default: this machine's or Debian's)",
      (image: string, before?: readonly string[]) => [...(before ?? []), image],
    )
    .option('--into <dir>', 'add the counts to the reports of a results directory')
    .addOption(formatOption())
    .option('--out <dir>', 'also write report.html, report.md, summary.csv, junit.xml and cost.json there')
    .option('--json', 'print one object, as in schema/cost.schema.json')
    .addHelpText(
      'after',
      `
Examples:
  barewire cost                                          six networks, in two to three minutes
  barewire cost --networks ipvlan,macvlan --connections 1,64
  barewire cost --workloads 350B,4KB --networks flannel-vxlan
  barewire cost --ablate own.yaml                        instructions per request of each knob of a profile
  barewire cost --into results/quick-20260101T000000Z    as a column of a study's reports
  barewire cost --kernel A/boot/vmlinuz-6.1 --kernel B/boot/vmlinuz-6.12

How to read it: the client is h2load in a closed loop, on one CPU with nginx, so the user part is the same for all networks and the
differences are the network's. Repeats that differ by more than 0.5 % give a warning and exit status 1. Caches, memory, waiting
and NICs are not included: a network with more instructions is not slower by the same factor (METHODOLOGY.md).`,
    )
    .action((flags: CostFlags) => cost(context, flags));

async function cost({ terminal, signal, version, fail }: Context, flags: CostFlags): Promise<void> {
  const networks = list(flags.networks ?? (flags.ablate === undefined ? NETWORKS : REFERENCE));
  for (const name of networks) findNetwork(name);
  const ablation =
    flags.ablate === undefined
      ? null
      : planCostAblation(resolveProfile(flags.ablate, THIS_MACHINE.readText), networks);
  if (ablation !== null && flags.into !== undefined)
    throw bad('--ablate and --into exclude each other.', 'Use --out to keep the counts of an ablation.');
  const cells = cellsOf(flags);
  const directory = flags.into === undefined ? null : new ResultsDirectory(flags.into);
  await directory?.readStudy();
  await requireMachine([...toolsOf('cost'), ...toolsOf('single-guest')]);
  const found = await measureCost({
    networks,
    ablation,
    cells,
    kernels: flags.kernel ?? [null],
    version,
    signal,
    onEvent: showCost(terminal),
  });
  if (directory !== null) {
    await directory.writeReport('cost.json', `${JSON.stringify(found, null, 2)}\n`);
    await writeReports(directory);
    terminal.note(`Added to ${directory.path} and its reports.`);
  }
  const document = buildCostDocument(found);
  printDocument(terminal, document, found, flags);
  if (flags.out !== undefined) await writeDocument(flags.out, document, { name: 'cost.json', value: found });
  const someFailed = found.kernels.some(({ networks: all }) => all.some(({ status }) => status === 'failed'));
  if (someFailed || found.warnings.length > 0) fail();
}

function cellsOf(flags: CostFlags): CellPlan[] {
  const repeats = requireQuantity('--repeats', flags.repeats, wholeQuantity(2, 100));
  const connections = list(flags.connections).map((text) =>
    requireQuantity('--connections', text, wholeQuantity(1, 1_000)),
  );
  return list(flags.workloads)
    .map(workloadOf)
    .flatMap((workload) => connections.map((each) => ({ workload, connections: each, repeats })));
}

const list = (text: string): string[] => [...new Set(text.split(',').map((item) => item.trim()))];

function workloadOf(name: string): WorkloadName {
  const found = WORKLOADS.find((each) => each === name);
  if (found !== undefined) return found;
  throw bad(
    `Unknown workload ${JSON.stringify(name)}.`,
    `${didYouMean(name, WORKLOADS)}There are ${WORKLOADS.join(', ')}.`,
  );
}

const bad = (message: string, hint: string): BarewireError => userError(message, hint);

/** Shows progress: finished parts stay, the current one is rewritten in place. */
function showCost(terminal: Terminal): (event: CostEvent) => void {
  return (event) => {
    switch (event.kind) {
      case 'restored':
        noteRestored(terminal, event.undone);
        break;
      case 'booting':
        terminal.status(`Booting a guest${event.kernel === null ? '' : ` with ${event.kernel}`} …`);
        break;
      case 'booted':
        terminal.note(`The guest with kernel ${event.kernel} booted in ${(event.ms / 1_000).toFixed(1)} s`);
        break;
      case 'started':
        terminal.status(`${event.kernel}: ${event.network} …`);
        break;
      case 'unmeasured':
        terminal.note(`${event.kernel}: ${event.network}: ${describeFinding(event.finding)}`);
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
  `${workload}, ${connections} connection${connections === 1 ? '' : 's'}: ${Math.round(instructions.total).toLocaleString('en-US')} instructions per request ` +
  `(±${(spread * 100).toFixed(2)} %)`;
