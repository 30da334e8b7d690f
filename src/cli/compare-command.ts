import { Command } from 'commander';
import { terminalComparison } from '../report/index.js';
import { type BarewireError, userError } from '../schema/index.js';
import { compareStudies, type StudyData } from '../stats/index.js';
import { readResults, ResultsDirectory } from '../study/index.js';
import type { Context } from './context.js';

interface CompareFlags {
  readonly margin?: string;
  readonly json?: true;
}

export const compareCommand = (context: Context): Command =>
  new Command('compare')
    .summary('say what became better or worse from one results directory to another')
    .description(
      'Compares two results directories: yesterday and today, two kernels, two machines. Shows first what differs between their ' +
        'hosts, then for each network, workload and rate that both have the ratio with its interval and a verdict. ' +
        'Exit status 1 where a figure is worse by more than the margin, beyond chance.',
    )
    .argument('<base>', 'a results directory')
    .argument('<new>', 'a results directory, which is judged against it')
    .option('--margin <share>', "a change inside it is none: 5% or 0.05 (default: the studies' own)")
    .option('--json', 'print one object, as schema/comparison.schema.json has it')
    .addHelpText(
      'after',
      `
Examples:
  barewire compare results/yesterday results/today            what became better or worse
  barewire compare results/kernel-6.12 results/kernel-6.18    two kernels, two machines
  barewire compare --margin 10% ci/base ci/now || exit        a gate in a CI

Exit status: 0 no regression; 1 a regression; 2 a directory cannot be read, or nothing is common to both.`,
    )
    .action((base: string, later: string, flags: CompareFlags) => compare(context, base, later, flags));

async function compare(context: Context, base: string, later: string, flags: CompareFlags): Promise<void> {
  const { terminal } = context;
  const margin = flags.margin === undefined ? {} : { margin: parseMargin(flags.margin) };
  const comparison = compareStudies(await read(base), await read(later), margin);
  const { colour, width } = terminal;
  terminal.print(
    flags.json === true
      ? JSON.stringify(comparison, null, 2)
      : terminalComparison(comparison, { colour, width }),
  );
  if (comparison.cells.length + comparison.maxima.length === 0) throw nothingInCommon(base, later);
  if (comparison.regression) context.fail();
}

const read = (path: string): Promise<StudyData> => readResults(new ResultsDirectory(path));

function parseMargin(text: string): number {
  const [, number, unit] = /^(\d+(?:\.\d+)?|\.\d+)\s*(%?)$/.exec(text.trim()) ?? [];
  const margin = Number(number ?? NaN) / (unit === '%' ? 100 : 1);
  if (margin > 0 && margin <= 1) return margin;
  throw userError(
    `--margin ${JSON.stringify(text)} is not a margin.`,
    'Write a share above 0 and up to 100%, such as 5% or 0.05.',
  );
}

// A comparison of nothing must not pass for one that found no regression.
const nothingInCommon = (base: string, later: string): BarewireError =>
  userError(
    `${base} and ${later} have no network, workload and rate in common.`,
    'Name two studies with the same networks, workloads and rates; what each has is listed.',
  );
