import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, afterEach, beforeAll, beforeEach, vi } from 'vitest';
import {
  GeneratorProcess,
  openExternalGenerator,
  type ExternalGeneratorProcess,
  type ExternalName,
} from '../../src/load/index.js';
import { freshRunId, openMachine, type Machine } from '../../src/machine/index.js';
import { startNginx, type Nginx } from './servers.js';

interface ExternalHost {
  readonly nginx: () => Nginx;
  /** Of the present test. */
  readonly machine: () => Machine;
  readonly run: () => string;
  readonly open: (name: ExternalName) => Promise<ExternalGeneratorProcess>;
}

/** An nginx for a file of tests, and a machine with a generator of our own for each test, in a state folder of their own. */
export function useExternalHost(path = process.env['PATH'] ?? ''): ExternalHost {
  let nginx: Nginx;
  let machine: Machine;
  let own: GeneratorProcess;
  let run: string;
  let state: string;
  beforeAll(async () => {
    state = mkdtempSync(join(tmpdir(), 'barewire-external-'));
    vi.stubEnv('BAREWIRE_STATE', state);
    vi.stubEnv('PATH', path);
    nginx = await startNginx();
  });
  afterAll(async () => {
    await nginx[Symbol.asyncDispose]();
    vi.unstubAllEnvs();
    rmSync(state, { recursive: true });
  });
  beforeEach(async () => {
    run = freshRunId();
    machine = await openMachine({ run, host: 'client', netns: null });
    own = new GeneratorProcess(machine, [0]);
    await own.ready(1);
  });
  afterEach(() => machine[Symbol.asyncDispose]());
  return {
    nginx: () => nginx,
    machine: () => machine,
    run: () => run,
    open: (name) => openExternalGenerator(machine, { run, netns: null, cpus: [0] }, name, own.from(null)),
  };
}
