import { join } from 'node:path';
import type { Check } from '../check.js';
import { locatePlugin } from '../find-plugin.js';
import { parseOutput } from '../result.js';
import { describeFailure, type Command, type Options } from '../runtime.js';
import { mustSucceed, Violation, type Session } from '../session.js';

/** The type of the plugin that takes the place of the delegated one. */
const RECORDER = 'barewire-recorder';

/**
 * Writes its environment and its input into files, one pair for each verb, and then executes the delegated
 * plugin. It fails where a file `fail-VERB` exists.
 */
const script = (folder: string, plugin: string): string => `#!/bin/sh
cat > '${folder}'/"$CNI_COMMAND".stdin
env > '${folder}'/"$CNI_COMMAND".env
if [ -e '${folder}'/fail-"$CNI_COMMAND" ]; then
  echo '{"cniVersion": "1.0.0", "code": 50, "msg": "refused by the check"}'
  exit 1
fi
exec '${plugin}' < '${folder}'/"$CNI_COMMAND".stdin
`;

/** The delegated plugin behind a recorder. */
interface Recorder {
  /** The network whose addresses come through the recorder. */
  readonly options: Pick<Options, 'network' | 'directories'>;
  fail(command: Command): Promise<void>;
  /** Null when the verb did not reach the delegated plugin. */
  read(command: Command): Promise<Recorded | null>;
}
interface Recorded {
  readonly env: Readonly<Record<string, string>>;
  readonly stdin: string;
}

async function placeRecorder({ lab, found, network, plugin }: Session): Promise<Recorder> {
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

const check = (facts: Pick<Check, 'id' | 'level' | 'requirement' | 'needs'>, run: Check['run']): Check => ({
  group: 'delegation',
  section: '4 Plugin Delegation',
  ...facts,
  needs: { ipam: true, ...facts.needs },
  run,
});

/** A verb for an attachment must reach the delegated plugin, and a failure there must be returned. */
const forwards =
  (command: 'DEL' | 'CHECK'): Check['run'] =>
  async (session) => {
    const recorder = await placeRecorder(session);
    await using container = await session.container();
    const attached = await session.attach(session.attachmentOf(container), recorder.options);
    const ended = await session[command === 'DEL' ? 'del' : 'check'](attached, recorder.options);
    mustSucceed(command, ended);
    if ((await recorder.read(command)) === null) return [`${command} did not reach the delegated plugin`];
    await recorder.fail(command);
    const { ok } = await session[command === 'DEL' ? 'del' : 'check'](attached, recorder.options);
    return ok ? [`${command} succeeded although it failed in the delegated plugin`] : [];
  };

export const DELEGATION_CHECKS: readonly Check[] = [
  check(
    {
      id: 'delegation.environment',
      level: 'must',
      requirement: 'the delegated plugin receives the same environment variables',
    },
    async (session) => {
      const recorder = await placeRecorder(session);
      await using container = await session.container();
      const attachment = { ...session.attachmentOf(container), args: 'IgnoreUnknown=1;EXAMPLE=a-b' };
      const { calls, ...added } = await session.add(attachment, recorder.options);
      mustSucceed('ADD', { ...added, calls });
      const recorded = await recorder.read('ADD');
      if (recorded === null) throw new Violation('ADD did not reach the delegated plugin');
      const sent = calls.find(({ plugin }) => plugin === session.found.type)?.env ?? {};
      return Object.entries(sent)
        .filter(([name, value]) => recorded.env[name] !== value)
        .map(([name, value]) => `${name} was ${recorded.env[name] ?? 'not set'}, not ${value}`);
    },
  ),
  check(
    {
      id: 'delegation.configuration',
      level: 'must',
      requirement: 'the delegated plugin receives the complete network configuration',
    },
    async (session) => {
      const recorder = await placeRecorder(session);
      await using container = await session.container();
      const { calls, ...added } = await session.add(session.attachmentOf(container), recorder.options);
      mustSucceed('ADD', { ...added, calls });
      const recorded = await recorder.read('ADD');
      if (recorded === null) throw new Violation('ADD did not reach the delegated plugin');
      const sent = JSON.parse(
        calls.find(({ plugin }) => plugin === session.found.type)?.stdin ?? '{}',
      ) as object;
      const received = (parseOutput(recorded.stdin)?.value ?? {}) as Readonly<Record<string, unknown>>;
      return Object.entries(sent)
        .filter(([key, value]) => JSON.stringify(received[key]) !== JSON.stringify(value))
        .map(([key]) => `the key ${key} was ${received[key] === undefined ? 'missing' : 'changed'}`);
    },
  ),
  check(
    {
      id: 'delegation.failed-add',
      level: 'should',
      requirement: 'ADD fails when it fails in the delegated plugin, which then receives DEL',
    },
    async (session) => {
      const recorder = await placeRecorder(session);
      await recorder.fail('ADD');
      await using container = await session.container();
      const { ok } = await session.add(session.attachmentOf(container), recorder.options);
      if (ok) return ['ADD succeeded although it failed in the delegated plugin'];
      return (await recorder.read('DEL')) === null ? ['the delegated plugin received no DEL'] : [];
    },
  ),
  check(
    {
      id: 'delegation.clean-failure',
      level: 'must',
      requirement: 'nothing is left when ADD failed in the delegated plugin and DEL followed',
    },
    async (session) => {
      const before = await session.lab.readHost();
      const recorder = await placeRecorder(session);
      await recorder.fail('ADD');
      await using container = await session.container();
      const attachment = session.attachmentOf(container);
      const { ok } = await session.add(attachment, recorder.options);
      if (ok) return ['ADD succeeded although it failed in the delegated plugin'];
      const result = { cniVersion: session.version };
      const ended = await session.del({ attachment, result }, { ...recorder.options, prevResult: null });
      const last = ended.calls.at(-1);
      const { links } = await session.lab.readContainer(container);
      return [
        ...(ended.ok || last === undefined ? [] : [`DEL failed: ${describeFailure(last)}`]),
        ...(links.some(({ name }) => name === attachment.ifname && name !== 'lo')
          ? [`${attachment.ifname} exists in the container`]
          : []),
        ...(await session.hostChanges(before)),
      ];
    },
  ),
  check(
    {
      id: 'delegation.del',
      level: 'must',
      requirement: 'DEL is executed by the delegated plugin too, and fails when it fails there',
    },
    forwards('DEL'),
  ),
  check(
    {
      id: 'delegation.check',
      level: 'must',
      requirement: 'CHECK is executed by the delegated plugin too, and fails when it fails there',
      needs: { version: '0.4.0' },
    },
    forwards('CHECK'),
  ),
  check(
    {
      id: 'delegation.gc',
      level: 'must',
      requirement: 'GC is executed by the delegated plugin too, with the valid attachments',
      needs: { version: '1.1.0' },
    },
    async (session) => {
      const recorder = await placeRecorder(session);
      await using container = await session.container();
      const { attachment } = await session.attach(session.attachmentOf(container), recorder.options);
      mustSucceed('GC', await session.runtime.gc([attachment], { ...session.options, ...recorder.options }));
      const recorded = await recorder.read('GC');
      if (recorded === null) return ['GC did not reach the delegated plugin'];
      return recorded.stdin.includes(attachment.containerId) ? [] : ['the valid attachments were missing'];
    },
  ),
  check(
    {
      id: 'delegation.status',
      level: 'must',
      requirement: 'STATUS is executed by the delegated plugin too, and fails when it fails there',
      needs: { version: '1.1.0' },
    },
    async (session) => {
      const recorder = await placeRecorder(session);
      const options = { ...session.options, ...recorder.options };
      mustSucceed('STATUS', await session.runtime.status(options));
      if ((await recorder.read('STATUS')) === null) return ['STATUS did not reach the delegated plugin'];
      await recorder.fail('STATUS');
      const { ok } = await session.runtime.status(options);
      return ok ? ['STATUS succeeded although it failed in the delegated plugin'] : [];
    },
  ),
];
