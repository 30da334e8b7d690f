import { existsSync } from 'node:fs';
import { resolve } from 'node:path';
import * as z from 'zod';
import { runCommand } from '../../machine/index.js';
import { userError } from '../../schema/index.js';

/** An image by its reference, and the archive of `docker save` that has it; null where the daemon has or pulls it. */
export interface Image {
  readonly reference: string;
  readonly archive: string | null;
}

const manifestSchema = z
  .array(
    z.object({
      RepoTags: z
        .array(z.string())
        .nullable()
        .transform((tags) => tags ?? []),
    }),
  )
  .min(1);

/**
 * Resolves the value of `--image-node` or `--image-nginx`: a reference, or the path of an archive, which is read here.
 *
 * @throws BarewireError `bad-input` for an archive that cannot be read or has no tag
 */
export async function resolveImage(text: string): Promise<Image> {
  if (!text.endsWith('.tar')) return { reference: text, archive: null };
  const archive = resolve(text);
  const refused = (why: string) =>
    userError(
      `${text} is not an archive of an image: ${why}.`,
      'Create it with: docker save --output FILE.tar IMAGE',
    );
  if (!existsSync(archive)) throw refused('there is no such file');
  const argv = ['tar', '--force-local', '-xOf', archive, 'manifest.json'];
  const { code, stdout, stderr } = await runCommand(argv, { netns: null });
  if (code !== 0) throw refused(stderr.trim());
  const parsed = manifestSchema.safeParse(JSON.parse(stdout));
  const reference = parsed.data?.[0]?.RepoTags[0];
  if (reference === undefined) throw refused('its manifest has no tag');
  return { reference, archive };
}
