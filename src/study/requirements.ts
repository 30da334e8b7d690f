import { accessSync, constants } from 'node:fs';
import { delimiter, join } from 'node:path';
import { machineError } from '../schema/index.js';

/** Debian's package of each tool that Barewire runs. */
const PACKAGES: Readonly<Record<string, string>> = {
  ip: 'iproute2',
  bridge: 'iproute2',
  tc: 'iproute2',
  nginx: 'nginx-light',
  nsenter: 'util-linux',
  taskset: 'util-linux',
  ping: 'iputils-ping',
};

/** What `barewire cost` runs in its guest, beside the study's own. */
const COST_PACKAGES: Readonly<Record<string, string>> = { h2load: 'nghttp2-client' };

/** Debian leaves these out of an ordinary user's PATH. */
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

/** Tools of the study itself; a testbed of other machines checks its own. */
export const STUDY_TOOLS: readonly string[] = Object.keys(PACKAGES);
/** Tools of `barewire cost`; the guest asks for its own. */
export const COST_TOOLS: readonly string[] = ['ip', 'bridge', 'nginx', 'nsenter', 'ping', 'h2load'];

/** What of `tools` is not installed, with the command that installs it on Debian or Ubuntu. */
export function missingTools(tools: readonly string[]): {
  readonly tools: readonly string[];
  readonly packages: readonly string[];
  readonly remedy: string;
} {
  const missing = tools.filter((tool) => !isInstalled(tool));
  const packages = [...new Set(missing.map((tool) => PACKAGES[tool] ?? COST_PACKAGES[tool] ?? tool))];
  return { tools: missing, packages, remedy: `On Debian or Ubuntu: apt-get install ${packages.join(' ')}` };
}

/** Throws before anything is changed when this machine cannot: not root, or a tool is missing. */
export function requireMachine(tools: readonly string[]): void {
  if (process.getuid?.() !== 0)
    throw machineError(
      'not-root',
      'Barewire makes network namespaces and links, which only root may.',
      'Run it again with sudo.',
    );
  const missing = missingTools(tools);
  if (missing.tools.length === 0) return;
  throw machineError('missing-tool', `Not found: ${missing.tools.join(', ')}.`, missing.remedy);
}
