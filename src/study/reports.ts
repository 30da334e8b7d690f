import { csvReport, htmlReport, markdownReport } from '../report/index.js';
import type { Summary } from '../schema/index.js';
import { summarize, withPathLengths } from '../stats/index.js';
import { measurable } from './networks.js';
import { planSlices } from './plan.js';
import { readResults } from './reading.js';
import type { ResultsDirectory } from './results.js';

/** Reads a results directory, and nothing else, into a summary: any machine can do it, at any time. */
export async function analyse(directory: ResultsDirectory): Promise<Summary> {
  const { study, slices, refused } = await readResults(directory);
  const planned = planSlices(study.spec, measurable(study.networks), study.referenceMaxRps).length;
  const summary = summarize(study, slices, { plannedSlices: planned, refused });
  return withPathLengths(summary, await directory.readCost());
}

/** Writes summary.json and the reports for people beside the slices. */
export async function writeReports(directory: ResultsDirectory): Promise<Summary> {
  const summary = await analyse(directory);
  await directory.writeReport('summary.json', `${JSON.stringify(summary, null, 2)}\n`);
  await directory.writeReport('summary.csv', csvReport(summary));
  await directory.writeReport('report.md', markdownReport(summary));
  await directory.writeReport('report.html', htmlReport(summary));
  return summary;
}
