import { accessSync, constants } from 'node:fs';
import { delimiter, join } from 'node:path';
import { BarewireError } from '../schema/index.js';

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

/** Throws before anything is changed when this machine cannot: not root, or a tool is missing. */
export function requireMachine(tools: readonly string[]): void {
  if (process.getuid?.() !== 0)
    throw new BarewireError('Barewire makes network namespaces and links, which only root may.', {
      code: 'not-root',
      fault: 'machine',
      hint: 'Run it again with sudo.',
    });
  const missing = tools.filter((tool) => !isInstalled(tool));
  if (missing.length === 0) return;
  const packages = [...new Set(missing.map((tool) => PACKAGES[tool] ?? tool))];
  throw new BarewireError(`Not found: ${missing.join(', ')}.`, {
    code: 'missing-tool',
    fault: 'machine',
    hint: `On Debian or Ubuntu: apt-get install ${packages.join(' ')}`,
  });
}
