import { styleText } from 'node:util';
import wrapAnsi from 'wrap-ansi';
import type { CheckResult, PluginCall, PluginReport } from './report.js';
import { shorten } from './result.js';

export interface RenderOptions {
  readonly colour: boolean;
  /** Columns of the terminal. */
  readonly width: number;
}

const COLOURS = { passed: 'green', failed: 'red', skipped: 'dim' } as const;
const STATUS_WIDTH = 9;
const ID_WIDTH = 27;

/** The table with a column for each plugin, then the evidence of failures, what was skipped, and times. */
export function renderReports(reports: readonly PluginReport[], { colour, width }: RenderOptions): string {
  const paint = (status: CheckResult['status'], text: string): string =>
    colour ? styleText(COLOURS[status], text, { validateStream: false }) : text;
  const columns = reports.map(({ plugin }) => Math.max(STATUS_WIDTH, plugin.length + 2));
  const room = Math.max(30, width - ID_WIDTH - columns.reduce((sum, column) => sum + column, 0));
  const heads = reports.map(({ plugin }, index) => plugin.padEnd(columns[index] ?? 0)).join('');
  const rows = (reports[0]?.checks ?? []).flatMap(({ id, requirement }, row) => {
    const [first = '', ...more] = wrap(requirement, room - 2);
    const cells = reports.map(({ checks }, index) => {
      const status = checks[row]?.status ?? 'skipped';
      return paint(status, status.padEnd(columns[index] ?? 0));
    });
    return [
      `${id.padEnd(ID_WIDTH)}${first.padEnd(room)}${cells.join('')}`.trimEnd(),
      ...more.map((line) => ' '.repeat(ID_WIDTH) + line),
    ];
  });
  return [
    `${'check'.padEnd(ID_WIDTH)}${'requirement'.padEnd(room)}${heads}`.trimEnd(),
    ...rows,
    ...reports.flatMap((report) => renderReport(report, width, paint)),
  ].join('\n');
}

function renderReport(
  report: PluginReport,
  width: number,
  paint: (status: CheckResult['status'], text: string) => string,
): string[] {
  const { plugin, path, checks, kept, times, supportedVersions } = report;
  const indented = (text: string, indent: string): string[] =>
    wrap(text, width - indent.length).map((line) => indent + line);
  const failed = checks.filter(({ status }) => status === 'failed');
  const reasons = new Map<string, string[]>();
  for (const { id, reason } of checks)
    if (reason !== null) reasons.set(reason, [...(reasons.get(reason) ?? []), id]);
  return [
    '',
    `${plugin}: ${countStatuses(checks)}. ${path}, versions ${supportedVersions.join(', ') || 'unknown'}`,
    ...failed.flatMap(({ id, level, section, findings, calls }) => [
      paint('failed', `  ${id} (${level}, section ${section})`),
      ...findings.slice(0, MOST_FINDINGS).flatMap((finding) => indented(finding, '    ')),
      ...(findings.length > MOST_FINDINGS ? [`    and ${findings.length - MOST_FINDINGS} more`] : []),
      ...calls.slice(-1).flatMap((call) => describeCall(call).flatMap((line) => indented(line, '      '))),
    ]),
    ...[...reasons].flatMap(([reason, skipped]) =>
      indented(`skipped ${skipped.join(', ')}: ${reason}`, '  '),
    ),
    ...(kept.length === 0 ? [] : indented(`the first ADD made, and DEL kept: ${kept.join('; ')}`, '  ')),
    ...(times === null
      ? []
      : [
          `  median time of ${times.runs} runs: ADD ${times.add.medianMs.toFixed(1)} ms ` +
            `(${times.add.leastMs.toFixed(1)} to ${times.add.mostMs.toFixed(1)}), ` +
            `DEL ${times.del.medianMs.toFixed(1)} ms (${times.del.leastMs.toFixed(1)} to ${times.del.mostMs.toFixed(1)})`,
        ]),
  ];
}

const MOST_FINDINGS = 5;

/** The table in Markdown, with numbered notes for what failed or was skipped. */
export function renderMarkdownReports(reports: readonly PluginReport[]): string {
  const notes: string[] = [];
  const note = (text: string): number => {
    if (!notes.includes(text)) notes.push(text);
    return notes.indexOf(text) + 1;
  };
  const rows = (reports[0]?.checks ?? []).map(({ id, level, requirement }, row) => {
    const cells = reports.map(({ checks }) => {
      const { status = 'skipped', reason = null } = checks[row] ?? {};
      return reason === null ? status : `${status} (${note(reason)})`;
    });
    return `| ${[`\`${id}\``, requirement, level, ...cells].join(' | ')} |`;
  });
  const heads = ['check', 'requirement', 'level', ...reports.map(({ plugin }) => plugin)];
  return [
    `| ${heads.join(' | ')} |`,
    `| ${heads.map(() => '---').join(' | ')} |`,
    ...rows,
    '',
    ...notes.map((text, index) => `${index + 1}. Skipped: ${text}.`),
  ].join('\n');
}

export function countStatuses(checks: readonly CheckResult[]): string {
  const count = (wanted: CheckResult['status']): number =>
    checks.filter(({ status }) => status === wanted).length;
  return `${count('passed')} passed, ${count('failed')} failed, ${count('skipped')} skipped`;
}

function describeCall({ env, stdin, plugin, exitStatus, signal, stdout, stderr }: PluginCall): string[] {
  const variables = Object.entries(env)
    .filter(([name]) => name !== 'CNI_PATH')
    .map(([name, value]) => `${name}=${value}`);
  const end = exitStatus === null ? `killed by ${signal ?? 'a signal'}` : `exit status ${exitStatus}`;
  return [
    `sent: ${variables.join(' ')} ${plugin} < ${shorten(stdin)}`,
    `returned: ${end}, standard output ${shorten(stdout)}${stderr.trim() === '' ? '' : `, standard error ${shorten(stderr)}`}`,
  ];
}

const wrap = (text: string, width: number): string[] => wrapAnsi(text, width, { hard: true }).split('\n');
