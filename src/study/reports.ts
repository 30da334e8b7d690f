import { buildStudyDocument, renderFiles } from '../report/index.js';
import type { Summary } from '../schema/index.js';
import { addInstructions, summarize } from '../stats/index.js';
import { measurable, planSlices } from './plan-slices.js';
import { readResults } from './reading.js';
import type { ResultsDirectory } from './results.js';

/** Writes summary.json and the reports beside the slices. */
export async function writeReports(directory: ResultsDirectory): Promise<Summary> {
  const { study, slices, refused } = await readResults(directory);
  const planned = planSlices(study.spec, measurable(study.networks), study.referenceMaxRps).length;
  const summary = addInstructions(
    summarize(study, slices, { plannedSlices: planned, refused }),
    await directory.readCost(),
  );
  await directory.writeReport('summary.json', `${JSON.stringify(summary, null, 2)}\n`);
  for (const { name, content } of renderFiles(buildStudyDocument(summary)))
    await directory.writeReport(name, content);
  return summary;
}
