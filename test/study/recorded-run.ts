import { linkSync, readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { expect } from 'vitest';
import type { Step } from '../../src/schema/index.js';
import { Run, sleep } from '../cli/barewire.js';

type HostName = 'testbed' | 'client' | 'server' | 'generator';
/** The steps of one run id, by host: those of a station with its hosts, or of the generator. */
export type Executed = Readonly<Partial<Record<HostName, readonly Step[]>>>;

/**
 * Runs a study with its state in the folder, and returns the steps that its journals recorded, by run id. The journals are
 * append-only: a hard link keeps each.
 */
export async function runRecorded(
  folder: string,
  args: readonly string[],
): Promise<ReadonlyMap<string, Executed>> {
  const journals = join(folder, 'state/journal');
  const kept = new Map<string, string>();
  const study = new Run(args, ['env', `BAREWIRE_STATE=${join(folder, 'state')}`]);
  const state = { isOver: false };
  void study.ended.then(() => (state.isOver = true));
  while (!state.isOver) {
    for (const name of readNames(journals).filter((found) => !kept.has(found))) {
      linkSync(join(journals, name), join(folder, name));
      kept.set(name, join(folder, name));
    }
    await sleep(5);
  }
  const { status, stderr } = await study.ended;
  expect(status === 0 || status === 1, stderr).toBe(true);
  const runs = new Map<string, Record<string, Step[]>>();
  for (const path of kept.values()) {
    const [header, ...records] = readFileSync(path, 'utf8')
      .trim()
      .split('\n')
      .map((line) => JSON.parse(line) as Record<string, unknown>);
    const run = runs.get(String(header?.['run'])) ?? {};
    const own = (run[header?.['host'] as HostName] ??= []);
    for (const { step } of records) if (step !== undefined) own.push(step as Step);
    runs.set(String(header?.['run']), run);
  }
  return runs;
}

function readNames(path: string): string[] {
  try {
    return readdirSync(path);
  } catch {
    return [];
  }
}
