import { join } from 'node:path';
import { cacheDirectory, cached, freshRunId, openMachine, runCommand } from '../../machine/index.js';
import { daemonSteps, dataRootStep, socketOf } from '../../network/index.js';
import { dockerArgv, machineError } from '../../schema/index.js';
import type { Pair } from '../types.js';
import { placeOf } from './place.js';
import { resolveImage, type Image } from './images.js';

/** Daemons of Barewire's own are in namespaces without a way out: they load images from archives in the cache. */
export const withArchives = ({ client, server }: Pair<Image>): Pair<Image> => ({
  client: withArchive(client),
  server: withArchive(server),
});

const withArchive = ({ reference, archive }: Image): Image => ({
  reference,
  archive: archive ?? join(entryOf(reference), ARCHIVE),
});

const ARCHIVE = 'image.tar';
const entryOf = (reference: string): string =>
  join(cacheDirectory(), 'images', reference.replaceAll(/[^A-Za-z0-9.-]/g, '_'));

/**
 * Saves an image into the cache, unless it is there or an archive was named: from the machine's own daemon, which is not changed,
 * if that has it; else from its registry, by a daemon that runs only for this.
 *
 * @throws BarewireError `process-failed` with the message of docker
 */
export async function archiveImage(text: string, signal?: AbortSignal): Promise<void> {
  const { reference, archive } = await resolveImage(text);
  if (archive !== null) return;
  await cached(
    entryOf(reference),
    async ({ path }) => {
      const file = join(path, ARCHIVE);
      const has = await runCommand(dockerArgv(null, 'image', 'inspect', reference), { netns: null });
      if (has.code === 0) await saveImage(null, reference, file);
      else await pullImage(reference, file);
    },
    signal,
  );
}

/** The daemon has the machine's network and configures nothing in it: no bridge, no rule, no forwarding. */
async function pullImage(reference: string, file: string): Promise<void> {
  const run = freshRunId();
  await using machine = await openMachine({ run, host: 'images', netns: null });
  const place = placeOf(run, 'images');
  await machine.apply([dataRootStep(place), ...daemonSteps(place, null)]);
  const socket = socketOf(place);
  const pulled = await runCommand(dockerArgv(socket, 'pull', '--quiet', reference), { netns: null });
  if (pulled.code !== 0)
    throw machineError(
      'process-failed',
      `Could not pull ${reference}: ${pulled.stderr.trim()}`,
      'Name another image, or an archive of one: --image-node FILE.tar, --image-nginx FILE.tar. Behind a proxy, set HTTPS_PROXY.',
    );
  await saveImage(socket, reference, file);
}

async function saveImage(socket: string | null, reference: string, file: string): Promise<void> {
  const { code, stderr } = await runCommand(dockerArgv(socket, 'save', '--output', file, reference), {
    netns: null,
  });
  if (code === 0) return;
  throw machineError(
    'process-failed',
    `Could not save ${reference}: ${stderr.trim()}`,
    'Check the space of the cache directory.',
  );
}
