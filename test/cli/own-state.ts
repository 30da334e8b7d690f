import { execFileSync } from 'node:child_process';
import { existsSync, readdirSync } from 'node:fs';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, vi } from 'vitest';
import { barewire } from './barewire.js';

interface OwnState {
  readonly folder: () => string;
  /** The names of the journals of the test's runs. */
  readonly journals: () => string[];
  /** The run that has a journal, or `none`. */
  readonly run: () => string;
}

/** Each test of a file has a state folder of its own, and undoes what its runs left. */
export function useOwnState(): OwnState {
  let state = '';
  beforeEach(async () => {
    state = await mkdtemp(join(tmpdir(), 'barewire-state-'));
    vi.stubEnv('BAREWIRE_STATE', state);
  });
  afterEach(async () => {
    await barewire(['undo']);
    vi.unstubAllEnvs();
    await rm(state, { recursive: true, force: true });
  });
  const journals = (): string[] => {
    const folder = join(state, 'journal');
    return existsSync(folder) ? readdirSync(folder) : [];
  };
  return { folder: () => state, journals, run: () => journals()[0]?.split('-')[0] ?? 'none' };
}

/** The emulators that were told of a folder of a run, below /run/barewire, as lines of ps. */
export const emulatorsOf = (run: string, folder: string): string[] =>
  execFileSync('ps', ['-eo', 'stat=,args='], { encoding: 'utf8' })
    .split('\n')
    .filter((line) => line.includes(`barewire=/run/barewire/${run}-${folder}`) && !line.startsWith('Z'));
