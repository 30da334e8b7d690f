import { execFileSync } from 'node:child_process';
import { createHash } from 'node:crypto';
import {
  copyFileSync,
  existsSync,
  mkdirSync,
  mkdtempSync,
  readFileSync,
  realpathSync,
  rmSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';

/** Archives of two images, made of this machine's own programs with their libraries: tests have no registry. */
export interface TestImages extends Disposable {
  readonly node: string;
  readonly nginx: string;
}

export function makeImages(): TestImages {
  const folder = mkdtempSync(join(tmpdir(), 'barewire-images-'));
  return {
    node: makeImage(folder, 'node', [process.execPath]),
    nginx: makeImage(folder, 'nginx', ['/usr/sbin/nginx']),
    [Symbol.dispose]: () => rmSync(folder, { recursive: true }),
  };
}

const BUSYBOX = '/usr/bin/busybox';

/** One layer with programs, their libraries and busybox's shell. Its tag is `barewire.test/NAME:1`. */
function makeImage(folder: string, name: string, programs: readonly string[]): string {
  const [root, parts, archive] = [join(folder, 'root'), join(folder, 'parts'), join(folder, `${name}.tar`)];
  for (const path of [root, parts]) mkdirSync(path);
  for (const program of [...programs, BUSYBOX]) copyWithLibraries(program, root);
  for (const path of ['tmp', 'run', 'etc', 'bin', 'var/log/nginx', 'var/lib/nginx'])
    mkdirSync(join(root, path), { recursive: true });
  for (const applet of ['sh', 'sleep', 'cat', 'ip']) symlinkSync(BUSYBOX, join(root, 'bin', applet));
  for (const program of programs) symlinkSync(realpathSync(program), join(root, 'bin', name));
  writeFileSync(
    join(root, 'etc/passwd'),
    'root:x:0:0::/:/bin/sh\nnobody:x:65534:65534::/:/bin/sh\nwww-data:x:33:33::/:/bin/sh\n',
  );
  writeFileSync(join(root, 'etc/group'), 'root:x:0:\nnogroup:x:65534:\nwww-data:x:33:\n');
  tar(root, join(parts, 'layer.tar'), ['.']);
  const layer = createHash('sha256')
    .update(readFileSync(join(parts, 'layer.tar')))
    .digest('hex');
  const config = {
    architecture: { x64: 'amd64' }[process.arch as string] ?? process.arch,
    os: 'linux',
    config: { Env: ['PATH=/usr/sbin:/usr/bin:/sbin:/bin'] },
    rootfs: { type: 'layers', diff_ids: [`sha256:${layer}`] },
  };
  const manifest = [{ Config: 'config.json', RepoTags: [`barewire.test/${name}:1`], Layers: ['layer.tar'] }];
  writeFileSync(join(parts, 'config.json'), JSON.stringify(config));
  writeFileSync(join(parts, 'manifest.json'), JSON.stringify(manifest));
  tar(parts, archive, ['manifest.json', 'config.json', 'layer.tar']);
  for (const path of [root, parts]) rmSync(path, { recursive: true });
  return archive;
}

function copyWithLibraries(program: string, root: string): void {
  const real = realpathSync(program);
  let listed = '';
  try {
    listed = execFileSync('ldd', [real], { encoding: 'utf8', stdio: ['ignore', 'pipe', 'ignore'] });
  } catch {
    // A static program has no libraries.
  }
  for (const path of [real, ...(listed.match(/\/\S+/g) ?? [])]) {
    const target = join(root, path);
    mkdirSync(dirname(target), { recursive: true });
    if (!existsSync(target)) copyFileSync(path, target);
  }
}

const tar = (folder: string, archive: string, names: readonly string[]): void =>
  void execFileSync('tar', [
    '--owner=0',
    '--group=0',
    '--numeric-owner',
    '-C',
    folder,
    '-cf',
    archive,
    ...names,
  ]);
