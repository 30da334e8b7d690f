import { spawn, type ChildProcess } from 'node:child_process';
import { once } from 'node:events';
import { mkdirSync, openSync, closeSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { until } from '../../service/until.js';
import type { ClientHost } from './client-host.js';

const config = (folder: string): string => `
version = 2
root = "${folder}/root"
state = "${folder}/run"
disabled_plugins = ["io.containerd.grpc.v1.cri", "io.containerd.internal.v1.opt"]
[grpc]
address = "${folder}/socket"
`;

/** containerd on a host, driven by `ctr`. */
export class Containerd implements AsyncDisposable {
  readonly #host: ClientHost;
  readonly #daemon: ChildProcess;
  readonly #socket: string;

  private constructor(host: ClientHost, daemon: ChildProcess, socket: string) {
    this.#host = host;
    this.#daemon = daemon;
    this.#socket = socket;
  }

  static async start(host: ClientHost): Promise<Containerd> {
    const folder = join(host.node.folder, 'containerd');
    mkdirSync(folder, { recursive: true });
    writeFileSync(join(folder, 'config.toml'), config(folder));
    const log = openSync(join(folder, 'log'), 'a');
    const program = host.argv('containerd', '--config', join(folder, 'config.toml'));
    const daemon = spawn('setpriv', ['--pdeathsig', 'KILL', ...program], { stdio: ['ignore', log, log] });
    closeSync(log);
    const started = new Containerd(host, daemon, join(folder, 'socket'));
    try {
      await until('containerd answers', () => started.ctr('version').then(() => true));
      return started;
    } catch (error) {
      await started.stop();
      throw error;
    }
  }

  argv(...args: string[]): string[] {
    return ['ctr', '-a', this.#socket, ...args];
  }

  ctr(...args: string[]): Promise<string> {
    return this.#host.run(this.argv(...args));
  }

  async remove(name: string): Promise<void> {
    await this.ctr('tasks', 'kill', '-s', 'KILL', name);
    await until('the task has ended', async () => (await this.ctr('tasks', 'ls')).includes('STOPPED'));
    await this.ctr('tasks', 'rm', name);
    await this.ctr('containers', 'rm', name);
  }

  /** Ends the daemon; containers run on. */
  async stop(): Promise<void> {
    if (this.#daemon.exitCode !== null) return;
    const ended = once(this.#daemon, 'exit');
    this.#daemon.kill('SIGTERM');
    await ended;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    try {
      for (const name of (await this.ctr('tasks', 'ls', '-q')).split('\n').filter(Boolean))
        await this.ctr('tasks', 'rm', '-f', name);
    } finally {
      await this.stop();
    }
  }
}
