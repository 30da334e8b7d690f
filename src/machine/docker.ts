import { setTimeout as sleep } from 'node:timers/promises';
import { pidsWithVariable } from '../linux/index.js';
import { BarewireError, dockerArgv, type Action, type DockerUndo } from '../schema/index.js';
import { runCommand } from './command.js';

/** The environment variable of every container, with its name: it finds the container's processes from outside. */
const CONTAINER_VARIABLE = 'BAREWIRE_CONTAINER';
const LABEL = 'barewire.run';

/** A daemon that takes longer to answer a query hangs. */
const ANSWER_MS = 20_000;

const FORMATS = {
  container: `{{index .Config.Labels "${LABEL}"}}`,
  network: `{{index .Labels "${LABEL}"}}`,
  image: '{{.Id}}',
} as const;

/**
 * Whether Docker has an object, and whether it has the run's label; an image has none. A daemon of Barewire's own that does not
 * respond has ended, and its objects with it.
 *
 * @throws Error when the user's daemon cannot be asked
 */
export async function findDockerObject({
  object,
  name,
  run,
  daemon,
}: DockerUndo): Promise<'absent' | 'ours' | 'foreign'> {
  const argv = dockerArgv(daemon, object, 'inspect', '--format', FORMATS[object], name);
  try {
    const { code, stdout, stderr } = await runCommand(argv, {
      netns: null,
      shielded: true,
      timeoutMs: ANSWER_MS,
    });
    if (code === 0) return stdout.trim() === run ? 'ours' : 'foreign';
    if (daemon !== null || /no such|not found/i.test(stderr)) return 'absent';
    throw new Error(stderr.trim());
  } catch (error) {
    if (daemon !== null && error instanceof BarewireError && error.code === 'timed-out') return 'absent';
    throw error;
  }
}

/** Removes an object of the run. One without the run's label is another's, and stays. */
export async function removeDockerObject(undo: DockerUndo): Promise<void> {
  const found = await findDockerObject(undo);
  if (found === 'absent' || (found === 'foreign' && undo.object !== 'image')) return;
  const words = undo.object === 'container' ? ['rm', '--force', '--volumes'] : ['rm'];
  const argv = dockerArgv(undo.daemon, undo.object, ...words, undo.name);
  const { code, stderr } = await runCommand(argv, { netns: null, shielded: true });
  if (code !== 0 && (await findDockerObject(undo)) !== 'absent') throw new Error(stderr.trim());
}

type ImageAction = Extract<Action, { kind: 'image' }>;

/** Gets an image unless the daemon has it. Throws with the message of docker. */
export async function getImage({ reference, archive, daemon }: ImageAction, tag: string): Promise<void> {
  const has = await runCommand(dockerArgv(daemon, 'image', 'inspect', '--format', '{{.Id}}', reference), {
    netns: null,
  });
  if (has.code === 0) return;
  const words = archive === null ? ['pull', '--quiet', reference] : ['load', '--quiet', '--input', archive];
  const { code, stderr } = await runCommand(dockerArgv(daemon, ...words), {
    netns: null,
    tag,
    shielded: true,
  });
  if (code !== 0) throw new Error(stderr);
}

type NetnsAction = Extract<Action, { kind: 'container-netns' }>;

/** Names the namespace of a container. Throws when the container does not run. */
export async function nameContainerNetns({ container, name }: NetnsAction, tag: string): Promise<void> {
  // Docker reports the pid in its daemon's own pid namespace, which may be another one.
  const pid = await findProcess(() => pidsWithVariable(CONTAINER_VARIABLE, container.name)[0]);
  if (pid === null) throw new Error(`the container ${container.name} does not run`);
  const { code, stderr } = await runCommand(['ip', 'netns', 'attach', name, String(pid)], {
    netns: null,
    tag,
  });
  if (code !== 0) throw new Error(stderr);
}

/** A daemon on a busy emulated host was seen to take 20 s. */
const LIMIT_MS = 60_000;
const RETRY_MS = 4;

/** Repeats a search until it finds a process; null after a minute, or when `isOver` becomes true. */
export async function findProcess(
  search: () => number | undefined,
  isOver: () => boolean = () => false,
): Promise<number | null> {
  const deadline = performance.now() + LIMIT_MS;
  for (;;) {
    const found = search();
    if (found !== undefined) return found;
    if (isOver() || performance.now() > deadline) return null;
    await sleep(RETRY_MS);
  }
}
