import { createHash } from 'node:crypto';
import { existsSync } from 'node:fs';
import { mkdir, readdir, readFile, rm, symlink } from 'node:fs/promises';
import { join } from 'node:path';
import type { Machine, RunResult } from '../machine/index.js';
import { type BarewireError, machineError } from '../schema/index.js';
import { cacheDirectory, cached } from './cache.js';

const META_PACKAGE = 'linux-image-amd64';
const DOWNLOAD_LIMIT_MS = 600_000;

/**
 * Returns the image of Debian's kernel, unpacked into the cache and not installed. The first run downloads 70
 * MB; later ones use the cache. To get a newer kernel, delete the directory `kernels` from the cache.
 */
export async function debianKernel(machine: Machine, signal?: AbortSignal): Promise<string> {
  const folder = join(cacheDirectory(), 'kernels');
  const kept = await anyImage(folder);
  if (kept !== null) return kept;
  const { name, version } = await newestPackage(machine);
  const path = join(folder, `${name}_${version}`);
  await cached(path, (unfinished) => unpack(machine, `${name}=${version}`, unfinished), signal);
  const image = await imageIn(path);
  if (image !== null) return image;
  throw cannotFetch(`${path} has no kernel: delete it`);
}

async function anyImage(folder: string): Promise<string | null> {
  const names = await readdir(folder).catch(() => []);
  for (const name of names.filter((entry) => entry.startsWith('linux-image-') && !entry.endsWith('.new'))) {
    const image = await imageIn(join(folder, name));
    if (image !== null) return image;
  }
  return null;
}

async function imageIn(path: string): Promise<string | null> {
  const names = await readdir(join(path, 'boot')).catch(() => []);
  const image = names.find((name) => name.startsWith('vmlinuz-'));
  return image === undefined ? null : join(path, 'boot', image);
}

/** The package that Debian's meta package depends on today. */
async function newestPackage(machine: Machine): Promise<{ name: string; version: string }> {
  const shown = await apt(machine, ['apt-cache', 'show', '--no-all-versions', META_PACKAGE]);
  const found = /^Depends: (?<name>linux-image-\S+) \(= (?<version>[^)]+)\)/m.exec(shown.stdout)?.groups;
  const { name, version } = found ?? {};
  if (name !== undefined && version !== undefined) return { name, version };
  throw cannotFetch(`apt knows no ${META_PACKAGE}`);
}

async function unpack(machine: Machine, pkg: string, path: string): Promise<void> {
  await mkdir(path, { recursive: true });
  // apt checks signatures and sums itself. As root it would switch to a user who may not write here.
  const download = ['apt-get', '-q', '-o', 'APT::Sandbox::User=root', 'download', pkg];
  await apt(machine, ['env', '-C', path, ...download]);
  const deb = (await readdir(path)).find((name) => name.endsWith('.deb'));
  if (deb === undefined) throw cannotFetch(`apt-get download ${pkg} left no package`);
  const file = join(path, deb);
  await checkSum(machine, pkg, file);
  await apt(machine, ['dpkg', '-x', file, path]);
  await rm(file);
  await index(machine, path);
}

/** What apt verified could have been damaged while it was written. */
async function checkSum(machine: Machine, pkg: string, file: string): Promise<void> {
  const shown = await apt(machine, ['apt-cache', 'show', '--no-all-versions', pkg]);
  const expected = /^SHA256: (?<sum>[0-9a-f]{64})$/m.exec(shown.stdout)?.groups?.['sum'];
  const found = createHash('sha256')
    .update(await readFile(file))
    .digest('hex');
  if (found !== expected) throw cannotFetch(`${file} has the sum ${found}, expected ${expected ?? 'one'}`);
}

/** Packages since Debian 13 have their modules in usr/lib, where `modprobe -d` does not look. */
async function index(machine: Machine, path: string): Promise<void> {
  if (!existsSync(join(path, 'lib'))) await symlink('usr/lib', join(path, 'lib'));
  const [version] = await readdir(join(path, 'lib/modules'));
  if (version === undefined) throw cannotFetch('the package has no modules');
  await apt(machine, ['depmod', '-b', path, version]);
}

async function apt(machine: Machine, argv: readonly string[]): Promise<RunResult> {
  const result = await machine.run(argv, { timeoutMs: DOWNLOAD_LIMIT_MS });
  if (result.code === 0) return result;
  throw cannotFetch(`${argv.join(' ')} failed: ${result.stderr.trim()}`);
}

const cannotFetch = (why: string): BarewireError =>
  machineError(
    'missing-kernel-feature',
    `Could not obtain a guest kernel: ${why}`,
    'Run apt-get update on Debian and try again, or name a bzImage with its modules with --kernel.',
  );
