import { stringify } from 'csv-stringify/sync';
import type { Document } from '../document.js';

/** RFC 4180: the first line names the columns, lines end in CR LF, and a missing value is empty. */
export const renderCsv = ({ records }: Document): string =>
  stringify([records.columns, ...records.rows] as unknown[][], {
    record_delimiter: 'windows',
    cast: { boolean: String },
  });
