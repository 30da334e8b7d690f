import { join } from 'node:path';
import { pluginScript } from '../cni/index.js';
import { removeFile, replaceFile, runCommand } from '../machine/index.js';
import { machineError } from '../schema/index.js';

export interface InstallOptions {
  /** Where runtimes look for plugins, and for network configurations. */
  readonly binFolder: string;
  readonly configFolder: string;
  /** Where the plugin hands its requests to the agent. */
  readonly cniFolder: string;
}

export interface Installed {
  readonly plugin: string;
  readonly config: string;
  /** Versions of the specification that the plugin reports. */
  readonly versions: string;
}

const PLUGIN = 'barewire';
const CONFIG = '10-barewire.conflist';

/** Port mappings and tuning of runtimes are plugins behind ours. */
const conflist = (): string =>
  `${JSON.stringify(
    {
      cniVersion: '1.0.0',
      name: 'barewire',
      plugins: [{ type: PLUGIN, capabilities: { ips: true, mac: true } }],
    },
    null,
    2,
  )}\n`;

/** What `installPlugin` writes: the plugin, and its configuration. */
export const pluginFiles = ({ binFolder, configFolder, cniFolder }: InstallOptions) =>
  [
    { path: join(binFolder, PLUGIN), content: pluginScript(cniFolder), mode: 0o755 },
    { path: join(configFolder, CONFIG), content: conflist(), mode: 0o644 },
  ] as const;

/**
 * Writes the CNI plugin and its configuration, and runs the plugin once.
 *
 * @throws BarewireError `process-failed` when the plugin does not run here
 */
export async function installPlugin(folders: InstallOptions): Promise<Installed> {
  const [script, list] = pluginFiles(folders);
  const [plugin, config] = [script.path, list.path];
  await replaceFile(plugin, script.content, script.mode);
  const { code, stdout, stderr } = await runCommand(['env', 'CNI_COMMAND=VERSION', plugin], {
    netns: null,
    input: '{"cniVersion":"1.0.0"}',
  });
  if (code !== 0 || !stdout.includes('supportedVersions')) {
    await removeFile(plugin);
    throw machineError(
      'process-failed',
      `The plugin ${plugin} does not run: ${stderr.trim()}`,
      'It needs a POSIX shell as /bin/sh, and a file system that is not mounted noexec.',
    );
  }
  await replaceFile(config, list.content);
  return { plugin, config, versions: stdout.trim() };
}

/** Removes what `installPlugin` has written. */
export async function uninstallPlugin({ binFolder, configFolder }: InstallOptions): Promise<void> {
  await removeFile(join(configFolder, CONFIG));
  await removeFile(join(binFolder, PLUGIN));
}
