import { build, type Plugin } from 'esbuild';
import { spawn, type ChildProcess } from 'node:child_process';
import { once } from 'node:events';
import { mkdtempSync, rmSync } from 'node:fs';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
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
  /** Starts it, in a group of its own and in the namespace. `killAtStep` is BAREWIRE_KILL_AT_STEP; with `undo` it undoes what it took. */
  start(
    parts: readonly Part[],
    options?: { netns?: string; killAtStep?: number; undo?: boolean },
  ): ChildProcess;
}

const dist = new URL('../../dist/', import.meta.url).pathname;

export async function buildStandIn(): Promise<StandIn> {
  const built = await buildFixture('stand-in');
  return {
    start: (parts, { netns, killAtStep, undo = false } = {}) => {
      const argv = [process.execPath, built.path, JSON.stringify(parts), ...(undo ? ['undo'] : [])];
      const args = netns === undefined ? argv : [`--net=/run/netns/${netns}`, '--', ...argv];
      const hook = killAtStep === undefined ? {} : { BAREWIRE_KILL_AT_STEP: String(killAtStep) };
      return spawn(netns === undefined ? 'env' : 'nsenter', args, {
        detached: true,
        stdio: ['ignore', 'pipe', 'inherit'],
        env: { ...process.env, ...hook },
      });
    },
    [Symbol.dispose]: () => built[Symbol.dispose](),
  };
}

/** Lets BAREWIRE_KILL_AT_STEP kill the program at a step. The product has no such hook. */
const applyAndKill: Plugin = {
  name: 'apply-and-kill',
  setup: (bundle) => {
    bundle.onResolve({ filter: /^\.\/apply\.js$/ }, ({ importer }) =>
      importer.includes('/src/machine/')
        ? { path: new URL('../fixtures/apply-and-kill.ts', import.meta.url).pathname }
        : undefined,
    );
  },
};

/** A program of test/fixtures as one file that node runs; below dist, where it finds packages and the agent. */
export async function buildFixture(name: string): Promise<Disposable & { readonly path: string }> {
  const folder = mkdtempSync(join(dist, 'fixture-'));
  const path = join(folder, `${name}.mjs`);
  await build({
    // Its own agent, found beside it, so that the agent can be killed at a step too.
    entryPoints: {
      [name]: new URL(`../fixtures/${name}.ts`, import.meta.url).pathname,
      agent: new URL('../../src/cli/agent-main.ts', import.meta.url).pathname,
    },
    outdir: folder,
    outExtension: { '.js': '.mjs' },
    bundle: true,
    platform: 'node',
    format: 'esm',
    target: 'node20',
    packages: 'external',
    define: { BAREWIRE_VERSION: '"test"' },
    plugins: [applyAndKill],
  });
  return { path, [Symbol.dispose]: () => rmSync(folder, { recursive: true, force: true }) };
}

/** Resolves when it has said so: that it is `taking` its steps, or `ready`. */
export async function until(child: ChildProcess, word: 'taking' | 'ready'): Promise<void> {
  if (child.stdout === null) throw new Error('it has no output');
  for await (const line of createInterface({ input: child.stdout })) if (line === word) return;
  throw new Error(`it ended before it was ${word}`);
}

/** Resolves to the signal that ended it. */
export async function untilKilled(child: ChildProcess): Promise<string | null> {
  if (child.signalCode !== null) return child.signalCode;
  const [, signal] = (await once(child, 'exit')) as [number | null, string | null];
  return signal;
}

/** SIGKILL to its whole group: to its agents too. */
export const killGroup = (child: ChildProcess): boolean => process.kill(-(child.pid ?? 0), 'SIGKILL');
