import { execFile } from 'node:child_process';
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { promisify } from 'node:util';
import type { ClientHost } from './client-host.js';

const CONF = `
[engine]
cgroup_manager = "cgroupfs"
events_logger = "file"
[containers]
default_ulimits = []
[network]
network_backend = "cni"
`;

const storageIn = (folder: string): string[] => [
  ...['root', 'runroot', 'tmpdir'].flatMap((name) => [`--${name}`, join(folder, name)]),
  ...['--storage-driver', 'vfs'],
];

/** Why podman cannot be a client of CNI here; null when it can. Since 5.0 it is built without CNI by default. */
export async function podmanRefusal(): Promise<string | null> {
  const folder = mkdtempSync(join(tmpdir(), 'barewire-podman-'));
  const conf = join(folder, 'containers.conf');
  writeFileSync(conf, CONF);
  const env = { ...process.env, CONTAINERS_CONF: conf };
  return await promisify(execFile)(
    'podman',
    [...storageIn(folder), 'info', '--format', '{{.Host.NetworkBackend}} {{.Version.Version}}'],
    { env },
  )
    .then(
      ({ stdout }) =>
        stdout.startsWith('cni ') ? null : `podman has another network backend: ${stdout.trim()}`,
      (error: unknown) => `podman does not run: ${String(error)}`,
    )
    .finally(() => rmSync(folder, { recursive: true, force: true }));
}

/** podman on a host, with images and containers of its own. */
export class Podman {
  readonly #host: ClientHost;
  readonly #folder: string;

  constructor(host: ClientHost) {
    this.#host = host;
    this.#folder = join(host.node.folder, 'podman');
    mkdirSync(this.#folder, { recursive: true });
    writeFileSync(join(this.#folder, 'containers.conf'), CONF);
  }

  run(...args: string[]): Promise<string> {
    const env = { CONTAINERS_CONF: join(this.#folder, 'containers.conf') };
    return this.#host.run(['podman', ...storageIn(this.#folder), ...args], env);
  }
}
