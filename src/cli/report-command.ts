import { Command } from 'commander';
import { terminalReport } from '../report/index.js';
import { ResultsDirectory, writeReports } from '../study/index.js';
import type { Context } from './context.js';

export const reportCommand = (context: Context): Command =>
  new Command('report')
    .summary('make the reports again from a results directory')
    .description(
      'Reads study.json, slices.jsonl and histograms/ in DIR, and writes summary.json, summary.csv, report.md and report.html there.',
    )
    .argument('<dir>', 'a results directory')
    .option('--json', 'print summary.json on standard output')
    .action(async (dir: string, flags: { json?: true }) => {
      const { terminal } = context;
      const summary = await writeReports(new ResultsDirectory(dir));
      const { colour, width } = terminal;
      terminal.print(
        flags.json === true
          ? JSON.stringify(summary, null, 2)
          : `${terminalReport(summary, { colour, width })}\nReport: ${dir}/report.html\n`,
      );
    });
