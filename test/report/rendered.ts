import { buildStudyDocument, render, type Format } from '../../src/report/index.js';
import type { Summary } from '../../src/schema/index.js';

/** A study's report in a format, on a terminal of 100 columns without colour by default. */
export const renderStudy = (summary: Summary, format: Format, width = 100): string =>
  render(buildStudyDocument(summary), format, { colour: false, width });
