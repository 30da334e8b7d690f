import { Command } from 'commander';
import { buildComparisonDocument } from '../report/index.js';
import { requireQuantity, shareQuantity, userError } from '../schema/index.js';
import { compareStudies, type StudyData } from '../stats/index.js';
import { readResults, ResultsDirectory } from '../study/index.js';
import { type Context, formatOption, printDocument, writeDocument, type FormatFlags } from './format.js';

interface CompareFlags extends FormatFlags {
  readonly margin?: string;
  readonly out?: string;
}

export const compareCommand = (context: Context): Command =>
  new Command('compare')
    .summary('what changed between two studies; exit status 1 on a regression')
    .description(
      'Compares two results directories: yesterday and today, two kernels, two machines. Prints what differs between their hosts, ' +
        'then for each network, workload and rate that both have the ratio with its interval and a verdict. ' +
        'Exit status 1 when a change for the worse exceeds the margin and is not chance.',
    )
    .argument('<base>', 'a results directory')
    .argument('<new>', 'a results directory to compare with it')
    .option('--margin <share>', "a change within it does not count: 5% or 0.05 (default: the studies' own)")
    .addOption(formatOption())
    .option(
      '--out <dir>',
      'also write report.html, report.md, summary.csv, junit.xml and comparison.json there',
    )
    .option('--json', 'print one object, as in schema/comparison.schema.json')
    .addHelpText(
      'after',
      `
Examples:
  barewire compare results/yesterday results/today            what changed
  barewire compare results/kernel-6.12 results/kernel-6.18    two kernels, two machines
  barewire compare --margin 10% --format junit ci/base ci/now > junit.xml   a gate in CI

Exit status: 0 no regression; 1 a regression; 2 a directory cannot be read, or the two have nothing in common.`,
    )
    .action((base: string, later: string, flags: CompareFlags) => compare(context, base, later, flags));

async function compare(context: Context, base: string, later: string, flags: CompareFlags): Promise<void> {
  const { terminal } = context;
  const margin =
    flags.margin === undefined ? {} : { margin: requireQuantity('--margin', flags.margin, shareQuantity(1)) };
  const comparison = compareStudies(await read(base), await read(later), margin);
  const document = buildComparisonDocument(comparison);
  printDocument(terminal, document, comparison, flags);
  if (flags.out !== undefined)
    await writeDocument(flags.out, document, { name: 'comparison.json', value: comparison });
  // A comparison without a common cell must not count as one without a regression.
  if (comparison.cells.length + comparison.maxima.length === 0)
    throw userError(
      `${base} and ${later} have no network, workload and rate in common.`,
      'Use two studies with the same networks, workloads and rates.',
    );
  if (comparison.regression) context.fail();
}

const read = (path: string): Promise<StudyData> => readResults(new ResultsDirectory(path));
