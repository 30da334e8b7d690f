import { accessSync, constants } from 'node:fs';
import { delimiter, join } from 'node:path';
import { installCommand, machineError, packageOf } from '../schema/index.js';

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

/** The tools that are not installed, with the command that installs them on Debian or Ubuntu. */
export function missingTools(tools: readonly string[]): {
  readonly tools: readonly string[];
  readonly packages: readonly string[];
  readonly remedy: string;
} {
  const missing = tools.filter((tool) => !isInstalled(tool));
  const packages = [...new Set(missing.map(packageOf))];
  return { tools: missing, packages, remedy: `On Debian or Ubuntu: ${installCommand(missing)}` };
}

/**
 * Throws before any change when this machine cannot run a study: not root, or a missing tool.
 *
 * @throws BarewireError `not-root`, `missing-tool`
 */
export function requireMachine(tools: readonly string[]): void {
  if (process.getuid?.() !== 0)
    throw machineError(
      'not-root',
      'Barewire creates network namespaces and links, which requires root.',
      'Run it again with sudo.',
    );
  const missing = missingTools(tools);
  if (missing.tools.length === 0) return;
  throw machineError('missing-tool', `Not found: ${missing.tools.join(', ')}.`, missing.remedy);
}
