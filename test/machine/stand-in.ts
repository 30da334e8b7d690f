import { buildSync } from 'esbuild';
import { spawn, type ChildProcess } from 'node:child_process';
import { once } from 'node:events';
import { mkdtempSync, rmSync } from 'node:fs';
import { join } from 'node:path';
import type { Step } from '../../src/schema/index.js';

/** A host of the stand-in: by its own engine, or through an agent. */
export interface Part {
  readonly run: string;
  readonly reach: 'here' | 'agent';
  readonly netns: string | null;
  readonly steps: readonly Step[];
  readonly processes: readonly Step[];
}

/** test/fixtures/stand-in.ts, ready to be run and killed. */
export interface StandIn extends Disposable {
  /** Starts it, in a group of its own and in the namespace. `killAtStep` is BAREWIRE_KILL_AT_STEP. */
  start(parts: readonly Part[], options?: { netns?: string; killAtStep?: number }): ChildProcess;
}

const dist = new URL('../../dist/', import.meta.url).pathname;

export function buildStandIn(): StandIn {
  const folder = mkdtempSync(join(dist, 'stand-in-'));
  const outfile = join(folder, 'stand-in.mjs');
  buildSync({
    entryPoints: [new URL('../fixtures/stand-in.ts', import.meta.url).pathname],
    outfile,
    bundle: true,
    platform: 'node',
    format: 'esm',
    target: 'node20',
    packages: 'external',
  });
  return {
    start: (parts, { netns, killAtStep } = {}) => {
      const enter = `--net=/run/netns/${netns ?? ''}`;
      const argv = [process.execPath, outfile, JSON.stringify(parts)];
      const args = netns === undefined ? argv : [enter, '--', ...argv];
      const hook = killAtStep === undefined ? {} : { BAREWIRE_KILL_AT_STEP: String(killAtStep) };
      return spawn(netns === undefined ? 'env' : 'nsenter', args, {
        detached: true,
        stdio: ['ignore', 'pipe', 'inherit'],
        env: { ...process.env, ...hook },
      });
    },
    [Symbol.dispose]: () => rmSync(folder, { recursive: true, force: true }),
  };
}

/** Resolves when it has taken its steps. */
export async function untilReady(child: ChildProcess): Promise<void> {
  if (child.stdout === null) throw new Error('it has no output');
  await once(child.stdout, 'data');
}

/** Resolves to the signal that ended it. */
export async function untilKilled(child: ChildProcess): Promise<string | null> {
  if (child.signalCode !== null) return child.signalCode;
  const [, signal] = (await once(child, 'exit')) as [number | null, string | null];
  return signal;
}

/** SIGKILL to its whole group: to its agents too. */
export const killGroup = (child: ChildProcess): boolean => process.kill(-(child.pid ?? 0), 'SIGKILL');
