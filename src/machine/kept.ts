import { readBootId } from '../linux/index.js';
import type { KeptSteps, UndoneJournal } from './types.js';
import { findJournals } from './journal-reader.js';
import { undoJournal } from './recovery.js';
import { verifyEntries } from './verify.js';

/** What `Machine.keep` left on this machine, newest first, compared with what is found now. */
export async function listKept(): Promise<readonly KeptSteps[]> {
  const kept: KeptSteps[] = [];
  for (const { header, contents } of await findJournals()) {
    if (header === null || contents.kept === null) continue;
    const rebooted = header.boot !== readBootId();
    kept.push({
      run: header.run,
      host: header.host,
      since: header.since,
      label: contents.kept,
      rebooted,
      // A reboot has reset all settings: there is nothing to compare.
      settings: rebooted
        ? []
        : [...(await verifyEntries(contents.live, header.netns, (id) => contents.processes.get(id) ?? null))],
    });
  }
  return kept;
}

/** The labels of what `Machine.keep` left since the last reboot, newest first. */
export const keptLabels = async (): Promise<readonly string[]> =>
  (await findJournals()).flatMap(({ header, contents: { kept } }) =>
    header?.boot === readBootId() && kept !== null ? [kept] : [],
  );

/** Restores what `Machine.keep` left, newest first. The caller holds the lock of `lockMachine`. */
export async function undoKept(): Promise<readonly UndoneJournal[]> {
  const undone: UndoneJournal[] = [];
  for (const journal of await findJournals()) {
    const { header, contents } = journal;
    if (header === null || contents.kept === null) continue;
    const changed = [...(await undoJournal(journal))];
    const { run, host, since } = header;
    undone.push({ run, host, since, steps: contents.live.length, changed });
  }
  return undone;
}
