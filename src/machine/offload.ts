import { runCommand } from './command.js';
import type { Undo } from './journal-format.js';

export type FeatureUndo = Extract<Undo, { kind: 'feature' }>;

/** Whether an offload of a link is on; null when the link or the offload does not exist, or cannot be changed. */
export async function readFeature(
  netns: string | null,
  link: string,
  feature: string,
): Promise<'on' | 'off' | null> {
  const { code, stdout } = await runCommand(['ethtool', '-k', link], { netns, shielded: true });
  if (code !== 0) return null;
  const line = stdout
    .split('\n')
    .map((text) => text.trim())
    .find((text) => text.startsWith(`${feature}: `));
  const [value, fixed] = line?.slice(feature.length + 2).split(' ') ?? [];
  return fixed === undefined && (value === 'on' || value === 'off') ? value : null;
}

/** Switches an offload, and reads it back. Throws Error with the message of ethtool. */
export async function writeFeature(
  netns: string | null,
  link: string,
  feature: string,
  value: string,
): Promise<void> {
  const { code, stderr } = await runCommand(['ethtool', '-K', link, feature, value], {
    netns,
    shielded: true,
  });
  const found = await readFeature(netns, link, feature);
  if (found !== value)
    throw new Error(
      code === 0
        ? `${feature} of ${link} is ${found ?? 'not changeable'}`
        : stderr.trim() || `status ${code}`,
    );
}

/** Restores an offload that is still as it was switched. */
export async function restoreFeature(undo: FeatureUndo, home: string | null): Promise<void> {
  const netns = undo.netns ?? home;
  const found = await readFeature(netns, undo.link, undo.feature);
  // With two values, one that was changed meanwhile is back at its previous value.
  if (found === undo.written && found !== undo.previous)
    await writeFeature(netns, undo.link, undo.feature, undo.previous);
}

/** Whether a table of nftables exists. */
export async function hasTable(netns: string | null, table: string): Promise<boolean> {
  const { code } = await runCommand(['nft', 'list', 'table', 'inet', table], { netns, shielded: true });
  return code === 0;
}

/** Deletes a table of nftables with its rules, unless it is gone. Throws Error with the message of nft. */
export async function removeTable(netns: string | null, table: string): Promise<void> {
  const { code, stderr } = await runCommand(['nft', 'delete', 'table', 'inet', table], {
    netns,
    shielded: true,
  });
  if (code !== 0 && (await hasTable(netns, table))) throw new Error(stderr.trim());
}
