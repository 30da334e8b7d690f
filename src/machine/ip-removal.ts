import { randomInt } from 'node:crypto';
import { batchInput } from './batch.js';
import { runCommand } from './command.js';
import type { Undo } from './journal-format.js';
import { isPresent } from './presence.js';

export type Removable = Extract<Undo, { kind: 'link' | 'route' }>;

/** What could not be removed, with the message of `ip`. */
export interface Leftover {
  readonly undo: Removable;
  readonly reason: string;
}

/** Removes links and routes with one process per namespace, and checks the result. */
export async function removeByIp(
  undos: readonly Removable[],
  home: string | null,
): Promise<readonly Leftover[]> {
  const left: Leftover[] = [];
  for (const netns of new Set(undos.map((undo) => undo.netns ?? home))) {
    const present = undos.filter((undo) => (undo.netns ?? home) === netns && isPresent(undo, home));
    await runIp(netns, removals(present));
    for (const undo of present.filter((one) => isPresent(one, home))) {
      const { stderr } = await runIp(netns, [removal(undo)]);
      if (isPresent(undo, home)) left.push({ undo, reason: stderr.trim() });
    }
  }
  return left;
}

/**
 * The kernel waits for all its readers each time that a link is removed, 15 to 35 ms on two CPUs; links of
 * one group are removed in one transaction (a bridge, a veth pair and a vxlan in 48 ms instead of 81).
 */
function removals(undos: readonly Removable[]): string[][] {
  const links = undos.filter((undo) => undo.kind === 'link');
  if (links.length < 2) return undos.map(removal);
  const group = String(randomInt(GROUPS.from, GROUPS.to));
  return [
    ...undos.filter((undo) => undo.kind === 'route').map(removal),
    ...links.map(({ name }) => ['link', 'set', 'dev', name, 'group', group]),
    ['link', 'del', 'group', group],
  ];
}

/** Group numbers that are unlikely to be in use and that differ between runs. */
const GROUPS = { from: 2 ** 30, to: 2 ** 31 - 1 };

const removal = (undo: Removable): string[] =>
  undo.kind === 'link' ? ['link', 'del', undo.name] : ['route', 'del', undo.destination];

async function runIp(netns: string | null, lines: readonly string[][]): Promise<{ readonly stderr: string }> {
  if (lines.length === 0) return { stderr: '' };
  // `-force`: one link that has gone does not stop the others.
  return runCommand(['ip', '-force', '-batch', '-'], {
    netns,
    shielded: true,
    input: batchInput(lines.map((args) => ({ args }))),
  });
}
