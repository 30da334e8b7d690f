import { runningPrograms } from '../linux/index.js';
import { HOLDER, normalizeSetting, writableSetting, type VerifiedSetting } from '../schema/index.js';
import type { Entry, ProcessIdentity } from './journal-format.js';
import { hasTable, readFeature } from './offload.js';
import { hasOwnQdisc } from './presence.js';
import { isAlive } from './session.js';
import { readSetting } from './setting.js';
import { sysctlPath } from './sysctl.js';

/** Programs that change settings by themselves, and which: only those that run are named. */
const CHANGERS: readonly { readonly program: string; readonly changes: RegExp }[] = [
  { program: 'irqbalance', changes: /^\/proc\/irq\// },
  { program: 'tuned', changes: /^\/(proc\/sys|sys)\// },
  { program: 'NetworkManager', changes: /^\/proc\/sys\/net\/|^feature / },
];

/**
 * Compares settings, features, tables and held files of journaled steps with the machine. Later steps replace earlier ones of the
 * same setting.
 *
 * @param home the name of the host's namespace; null for a machine
 */
export async function verifyEntries(
  entries: readonly Entry[],
  home: string | null,
  processOf: (id: number) => ProcessIdentity | null,
): Promise<readonly VerifiedSetting[]> {
  const verified = new Map<string, VerifiedSetting>();
  for (const entry of entries.toSorted((one, other) => one.id - other.id)) {
    const found = await verifyEntry(entry, home, processOf);
    if (found === null) continue;
    const first = verified.get(found.what);
    verified.set(found.what, first === undefined ? found : { ...found, before: first.before });
  }
  const running = runningPrograms(CHANGERS.map(({ program }) => program));
  return [...verified.values()].map((one) => ({
    ...one,
    changers: one.holds
      ? []
      : CHANGERS.filter(({ program, changes }) => running.has(program) && changes.test(one.what)).map(
          ({ program }) => program,
        ),
  }));
}

async function verifyEntry(
  { id, step: { do: action, why }, undo }: Entry,
  home: string | null,
  processOf: (id: number) => ProcessIdentity | null,
): Promise<VerifiedSetting | null> {
  const facts = { why, changers: [] };
  switch (action.kind) {
    case 'sysctl':
    case 'setting': {
      const path = action.kind === 'sysctl' ? sysctlPath(action.key) : action.path;
      const text = await readSetting(action.netns ?? home, path);
      return {
        ...facts,
        what: path,
        wanted: action.value,
        before: undo?.kind === 'setting' ? (undo.previous[0]?.value ?? null) : null,
        found: text === null ? null : writableSetting(text),
        holds: text !== null && normalizeSetting(path, text) === normalizeSetting(path, action.value),
      };
    }
    case 'feature': {
      const found = await readFeature(action.netns ?? home, action.link, action.feature);
      return {
        ...facts,
        what: `feature ${action.feature} of ${action.link}`,
        wanted: action.value,
        before: undo?.kind === 'feature' ? undo.previous : null,
        found,
        holds: found === action.value,
      };
    }
    case 'nftables': {
      const holds = await hasTable(action.netns ?? home, action.table);
      return {
        ...facts,
        what: `table ${action.table} of nftables`,
        wanted: 'present',
        before: 'absent',
        found: holds ? 'present' : 'absent',
        holds,
      };
    }
    case 'process': {
      if (!action.name.startsWith(HOLDER)) return null;
      const process = processOf(id);
      const holds = process !== null && isAlive(process);
      return {
        ...facts,
        what: action.name.slice(HOLDER.length),
        wanted: 'held open',
        before: 'not held',
        found: holds ? 'held open' : 'not held',
        holds,
      };
    }
    case 'command': {
      // Only `ip`, `bridge`, … make what is no setting.
      if (undo?.kind !== 'qdisc') return null;
      const holds = await hasOwnQdisc(undo.netns ?? home, undo.link);
      return {
        ...facts,
        what: `queueing discipline of ${undo.link}`,
        wanted: action.args.slice(action.args.indexOf('root') + 1).join(' '),
        before: 'the default',
        found: holds ? 'its own' : 'the default',
        holds,
      };
    }
    case 'file':
    case 'key':
    case 'directory':
    case 'cgroup':
    case 'container-netns':
    case 'image':
    case 'cni':
      return null;
  }
}
