/** The summary for people: pure text from plain data, the same on any machine. */
export { csvReport } from './csv.js';
export { htmlReport } from './html/page.js';
export { markdownReport } from './markdown.js';
export { terminalComparison, terminalCost, terminalReport, type TerminalOptions } from './terminal.js';
