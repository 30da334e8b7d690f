import { accessSync, constants } from 'node:fs';
import { delimiter, join } from 'node:path';
import { describeFinding } from '../report/index.js';
import {
  installCommand,
  machineError,
  PACKAGE_MANAGERS,
  packageOf,
  type BarewireError,
  type Finding,
} from '../schema/index.js';
import { findObstacles } from './obstacles.js';

/** Debian omits these from the PATH of an ordinary user. */
const SYSTEM_PATH = ['/usr/local/sbin', '/usr/sbin', '/sbin'];

function isInstalled(tool: string): boolean {
  const folders = [...(process.env['PATH'] ?? '').split(delimiter), ...SYSTEM_PATH];
  return folders.some((folder) => {
    try {
      accessSync(join(folder, tool), constants.X_OK);
      return true;
    } catch {
      return false;
    }
  });
}

/** The tools that are not installed, with the command that installs them on this machine. */
function missingTools(tools: readonly string[]): {
  readonly tools: readonly string[];
  readonly packages: readonly string[];
  readonly install: string;
} {
  const missing = tools.filter((tool) => !isInstalled(tool));
  const manager = PACKAGE_MANAGERS.find(isInstalled) ?? null;
  const packages = [...new Set(missing.map((tool) => packageOf(tool, manager ?? 'apt-get')))];
  return { tools: missing, packages, install: installCommand(missing, manager) };
}

/** Root, and the tools. */
function findBasics(tools: readonly string[]): readonly Finding[] {
  const missing = missingTools(tools);
  return [
    ...(process.getuid?.() === 0 ? [] : [{ code: 'not-root' } as const]),
    ...(missing.tools.length === 0 ? [] : [{ code: 'tools-missing', ...missing } as const]),
  ];
}

/**
 * What keeps this machine from running a study, the most basic first. Changes nothing.
 *
 * @param results the folder that the results are written to; null for a command without any
 */
export const findBlockers = async (
  tools: readonly string[],
  results: string | null,
): Promise<readonly Finding[]> => [
  ...findBasics(tools),
  ...(await findObstacles(missingTools(tools).tools, results)),
];

/**
 * Throws before any change when this machine cannot run a study, with the first reason.
 *
 * @throws BarewireError `not-root`, `missing-tool`, `missing-kernel-feature`, `disk`, `host-unsupported`
 */
export async function requireMachine(tools: readonly string[], results: string | null = null): Promise<void> {
  const [first, ...others] = await findBlockers(tools, results);
  if (first !== undefined) throw blocked(first, others.length);
}

/** @throws BarewireError `not-root`, `missing-tool` */
export function requireTools(tools: readonly string[]): void {
  const [first] = findBasics(tools);
  if (first !== undefined) throw blocked(first, 0);
}

function blocked(finding: Finding, others: number): BarewireError {
  if (finding.code === 'not-root')
    return machineError(
      'not-root',
      'Barewire creates network namespaces and links, which requires root.',
      'Run it again with sudo.',
    );
  if (finding.code === 'tools-missing')
    return machineError('missing-tool', `Not found: ${finding.tools.join(', ')}.`, `Run: ${finding.install}`);
  const text = describeFinding(finding);
  const hint = `Run \`barewire doctor\`, which prints ${others === 0 ? 'this and sources of noise' : `this and ${others} more`}.`;
  const { code } = finding;
  if (code === 'capabilities-missing') return machineError('not-root', text, hint);
  if (code === 'disk-full' || code === 'folder-unusable') return machineError('disk', text, hint);
  if (code === 'kernel-old' || code === 'calls-refused')
    return machineError('missing-kernel-feature', text, hint);
  return machineError('host-unsupported', text, hint);
}
