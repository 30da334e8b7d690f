import { join } from 'node:path';
import { locatePlugin } from '../find-plugin.js';
import type { Command, Options } from '../runtime.js';
import type { Session } from '../session.js';

/** The type of the plugin that takes the place of the delegated one. */
const RECORDER = 'barewire-recorder';

/**
 * Writes its environment and its input into files, one pair for each verb, and then executes the delegated
 * plugin. It fails where a file `fail-VERB` exists, and prints a file `answer-VERB` in place of the plugin's answer.
 */
const script = (folder: string, plugin: string): string => `#!/bin/sh
cat > '${folder}'/"$CNI_COMMAND".stdin
env > '${folder}'/"$CNI_COMMAND".env
if [ -e '${folder}'/fail-"$CNI_COMMAND" ]; then
  echo '{"cniVersion": "1.0.0", "code": 50, "msg": "refused by the check"}'
  exit 1
fi
if [ -e '${folder}'/answer-"$CNI_COMMAND" ]; then
  '${plugin}' < '${folder}'/"$CNI_COMMAND".stdin > '${folder}'/replaced || exit
  exec cat '${folder}'/answer-"$CNI_COMMAND"
fi
exec '${plugin}' < '${folder}'/"$CNI_COMMAND".stdin
`;

/** The delegated plugin behind a recorder. */
interface Recorder {
  /** The network whose addresses come through the recorder. */
  readonly options: Pick<Options, 'network' | 'directories'>;
  fail(command: Command): Promise<void>;
  /** Replaces what the delegated plugin prints. */
  answer(command: Command, output: string): Promise<void>;
  /** Null when the verb did not reach the delegated plugin. */
  read(command: Command): Promise<Recorded | null>;
}
interface Recorded {
  readonly env: Readonly<Record<string, string>>;
  readonly stdin: string;
}

/** Puts a recorder in the place of the plugin that the checked one delegates to. */
export async function placeRecorder({ lab, found, network, plugin }: Session): Promise<Recorder> {
  const folder = join(lab.scratch, 'recorder');
  const path = join(folder, RECORDER);
  const real = locatePlugin(plugin.ipam?.type ?? '', found.directories);
  const make = 'rm -rf "$1" && mkdir "$1" && cat > "$2" && chmod 755 "$2"';
  await lab.host.run(['sh', '-c', make, 'sh', folder, path], { input: script(folder, real) });
  const changed = { ...plugin, ipam: { ...plugin.ipam, type: RECORDER } };
  const plugins = network.plugins.map((each) => (each === plugin ? changed : each));
  return {
    options: { network: { ...network, plugins }, directories: [folder, ...found.directories] },
    fail: async (command) => {
      await lab.host.run(['touch', join(folder, `fail-${command}`)]);
    },
    answer: async (command, output) => {
      const file = join(folder, `answer-${command}`);
      await lab.host.run(['sh', '-c', 'cat > "$1"', 'sh', file], { input: output });
    },
    read: async (command) => {
      const paths = [join(folder, `${command}.env`), join(folder, `${command}.stdin`)] as const;
      const { files } = await lab.host.readFiles(paths);
      const [env, stdin] = paths.map((each) => files[each] ?? null);
      if (env === null || env === undefined || stdin === null || stdin === undefined) return null;
      const lines = env.split('\n').filter((line) => line.includes('='));
      return {
        env: Object.fromEntries(
          lines.map((line) => [line.slice(0, line.indexOf('=')), line.slice(line.indexOf('=') + 1)]),
        ),
        stdin,
      };
    },
  };
}
