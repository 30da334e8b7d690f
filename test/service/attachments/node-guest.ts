import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { bootSingleGuest, type SingleGuest } from '../../../src/guest/index.js';
import { freshRunId, openMachine, type Machine } from '../../../src/machine/index.js';
import { pluginScript } from '../../../src/cni/index.js';
import { buildFlanneld } from '../../kubernetes/cluster/binaries.js';
import { findEtcd } from '../etcd-programs.js';
import type { ConnectionRequest } from './connections.js';
import { buildConnector, ROOT } from './connector.js';

const here = import.meta.dirname;

/** A guest whose kernel has IPvlan. Its root is this machine's, read-only, so it runs this machine's programs. */
export class NodeGuest implements AsyncDisposable {
  readonly #machine: Machine;
  readonly #guest: SingleGuest;
  readonly #folder: string;
  readonly #variables: string;

  private constructor(machine: Machine, guest: SingleGuest, folder: string, variables: string) {
    this.#machine = machine;
    this.#guest = guest;
    this.#folder = folder;
    this.#variables = variables;
  }

  /** @param nodes how many have the CNI plugin */
  static async boot(nodes: number): Promise<NodeGuest> {
    const [programs] = await findEtcd();
    if (programs === undefined) throw new Error('there is no etcd');
    const flanneld = await buildFlanneld();
    const folder = mkdtempSync(join(tmpdir(), 'barewire-guest-'));
    await buildConnector(folder);
    for (let number = 1; number <= nodes; number++) {
      mkdirSync(join(folder, `n${number}`));
      writeFileSync(join(folder, `n${number}/barewire`), pluginScript(`/run/n${number}/cni`), {
        mode: 0o755,
      });
    }
    const values = {
      NODE: process.execPath,
      BAREWIRE: join(ROOT, 'dist/barewire.mjs'),
      ETCD: programs.etcd,
      ETCDCTL: programs.etcdctl,
      FLANNELD: flanneld,
      PLUGINS: folder,
    };
    const variables = Object.entries(values).map(([name, value]) => `${name}='${value}'\n`);
    const run = freshRunId();
    const machine = await openMachine({ run, host: 'node-guest', netns: null });
    try {
      const signal = AbortSignal.timeout(600_000);
      const guest = await bootSingleGuest(machine, {
        run,
        name: 'nodes',
        kernel: null,
        accelerator: 'tcg',
        signal,
      });
      return new NodeGuest(machine, guest, folder, variables.join(''));
    } catch (error) {
      await machine[Symbol.asyncDispose]();
      rmSync(folder, { recursive: true });
      throw error;
    }
  }

  /** Runs a script with the functions of lab.sh, and returns its output. */
  run(script: string): Promise<string> {
    return this.#guest.run(`${this.#variables}. '${here}/lab.sh'\n${script}`);
  }

  /** Makes all connections at once. Returns what the servers saw, or why a connection failed. */
  async connect(request: ConnectionRequest): Promise<Readonly<Record<string, string>>> {
    const output = await this.run(
      `"$NODE" '${this.#folder}/connect-all.mjs' <<'END'\n${JSON.stringify(request)}\nEND\n`,
    );
    return JSON.parse(output) as Readonly<Record<string, string>>;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#guest[Symbol.asyncDispose]();
    await this.#machine[Symbol.asyncDispose]();
    rmSync(this.#folder, { recursive: true });
  }
}
