import { Command } from 'commander';
import { buildStudyDocument } from '../report/index.js';
import { ResultsDirectory, writeReports } from '../study/index.js';
import { type Context, formatOption, printDocument, type FormatFlags } from './format.js';
export const reportCommand = (context: Context): Command =>
  new Command('report')
    .summary('rebuild the reports from a results directory')
    .description(
      'Reads study.json, slices.jsonl and latency.hlog in DIR and writes summary.json, report.html, report.md, summary.csv, ' +
        'junit.xml, benchstat.txt, bencher.json and otava.json there. Runs on any machine and needs no root.',
    )
    .argument('<dir>', 'a results directory')
    .addOption(formatOption())
    .option('--json', 'print summary.json')
    .action(async (dir: string, flags: FormatFlags) => {
      const summary = await writeReports(new ResultsDirectory(dir));
      printDocument(context.terminal, buildStudyDocument(summary), summary, flags);
      if (flags.json !== true && flags.format === 'terminal')
        context.terminal.print(`\nReport: ${dir}/report.html\n`);
    });
