import { execFile } from 'node:child_process';
import { createHash } from 'node:crypto';
import { chmod, chown, mkdir, readFile, realpath, stat, writeFile } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import { promisify } from 'node:util';
import { cached } from '../../../src/machine/index.js';
import { testCache } from '../../go-programs.js';

const run = promisify(execFile);

export type ImageKind = 'node' | 'nginx' | 'pause';

export const IMAGE_NAMES = {
  node: 'docker.io/library/node:24-slim',
  nginx: 'docker.io/library/nginx:stable',
  pause: 'barewire.test/pause:1',
} as const;

/** What an image holds: all of it from this machine. */
interface Recipe {
  /** Path in the image → program of this machine; the libraries that it loads are added at their own paths. */
  readonly programs: Readonly<Record<string, string>>;
  /** Files that are copied if this machine has them. */
  readonly files: readonly string[];
  readonly texts: Readonly<Record<string, string>>;
  readonly links: Readonly<Record<string, string>>;
  /** Path → owner; `/tmp` and `/run` are writable for all in every image. */
  readonly folders: Readonly<Record<string, number>>;
  readonly command: readonly string[];
}

/** Libraries of glibc that a program may load at run time. */
const GLIBC = [
  'libdl.so.2',
  'libpthread.so.0',
  'librt.so.1',
  'libresolv.so.2',
  'libnss_dns.so.2',
  'libnss_files.so.2',
];

const passwd = (name: string, id: number): Record<string, string> => ({
  'etc/passwd': `root:x:0:0:root:/root:/bin/sh\n${name}:x:${id}:${id}::/home/${name}:/bin/sh\n`,
  'etc/group': `root:x:0:\n${name}:x:${id}:\n`,
  'etc/nsswitch.conf': 'hosts: files dns\n',
});

async function recipeOf(kind: ImageKind, pause: string): Promise<Recipe> {
  const none = { programs: {}, files: [], texts: {}, links: {}, folders: {}, command: [] };
  switch (kind) {
    case 'pause':
      return { ...none, programs: { pause }, command: ['/pause'] };
    case 'node': {
      const node = await realpath(process.execPath);
      const libc = (await librariesOf(node)).find((path) => path.endsWith('/libc.so.6'));
      return {
        ...none,
        programs: { 'usr/local/bin/node': node, 'bin/dash': '/bin/dash' },
        files: libc === undefined ? [] : GLIBC.map((name) => join(dirname(libc), name)),
        texts: passwd('node', 1000),
        links: { 'bin/sh': 'dash' },
        folders: { 'home/node': 1000 },
        command: ['node'],
      };
    }
    case 'nginx':
      return {
        ...none,
        programs: { 'usr/sbin/nginx': '/usr/sbin/nginx' },
        files: ['/etc/nginx/mime.types'],
        texts: {
          ...passwd('nginx', 101),
          'etc/nginx/nginx.conf': NGINX_CONF,
          'usr/share/nginx/html/index.html': 'Welcome to nginx!\n',
        },
        links: { 'var/log/nginx/access.log': '/dev/stdout', 'var/log/nginx/error.log': '/dev/stderr' },
        folders: { 'var/cache/nginx': 0, 'var/lib/nginx': 0, 'etc/nginx/conf.d': 0 },
        command: ['nginx', '-g', 'daemon off;'],
      };
  }
}

const NGINX_CONF = `user nginx;
worker_processes auto;
error_log /var/log/nginx/error.log notice;
pid /run/nginx.pid;
events { worker_connections 1024; }
http {
  include /etc/nginx/mime.types;
  default_type application/octet-stream;
  access_log /var/log/nginx/access.log;
  include /etc/nginx/conf.d/*.conf;
  server { listen 80; location / { root /usr/share/nginx/html; } }
}
`;

/** The paths that `ldd` lists; none for a static program. */
async function librariesOf(program: string): Promise<readonly string[]> {
  const listed = await run('ldd', [program]).catch(() => ({ stdout: '' }));
  return [...listed.stdout.matchAll(/(?:=> |^\s*)(\/\S+)/gm)].map(([, path]) => path ?? '');
}

/** The path of a docker-archive of one layer, made again when a program or library of this machine changes. */
export async function buildImage(kind: ImageKind, pause: string): Promise<string> {
  const recipe = await recipeOf(kind, pause);
  const sources: [string, string][] = Object.entries(recipe.programs);
  const libraries = (await Promise.all(sources.map(([, program]) => librariesOf(program)))).flat();
  for (const path of new Set([...libraries, ...recipe.files])) sources.push([path.slice(1), path]);
  const stats = await Promise.all(sources.map(([, path]) => stat(path).catch(() => null)));
  const present = sources.filter((_, index) => stats[index] !== null);
  const identity = stats.map((found) => [found?.size, found?.mtimeMs]);
  const hash = createHash('sha256')
    .update(JSON.stringify([recipe, identity, process.arch]))
    .digest('hex');
  const entry = await cached(testCache('images', `${kind}-${hash.slice(0, 16)}`), async (made) => {
    await made.write('root/etc/hostname', '');
    for (const [name, content] of Object.entries(recipe.texts)) await made.write(`root/${name}`, content);
    for (const [name, path] of present) await made.copy(path, `root/${name}`);
    for (const [name, target] of Object.entries(recipe.links)) await made.link(target, `root/${name}`);
    for (const [name, owner] of Object.entries({ ...recipe.folders, run: 0, tmp: 0, root: 0 })) {
      await mkdir(join(made.path, 'root', name), { recursive: true });
      await chown(join(made.path, 'root', name), owner, owner);
    }
    await chmod(join(made.path, 'root/tmp'), 0o1777);
    await archive(made.path, IMAGE_NAMES[kind], recipe.command);
    await made.remove('root');
    await made.remove('layer.tar');
  });
  return join(entry, 'image.tar');
}

/** Packs `FOLDER/root` as the image `FOLDER/image.tar`. */
async function archive(folder: string, name: string, command: readonly string[]): Promise<void> {
  const layer = join(folder, 'layer.tar');
  await run('tar', [
    '--sort=name',
    '--numeric-owner',
    '--mtime=@0',
    '-C',
    join(folder, 'root'),
    '-cf',
    layer,
    '.',
  ]);
  const digest = createHash('sha256')
    .update(await readFile(layer))
    .digest('hex');
  const config = {
    architecture: { x64: 'amd64' }[process.arch as string] ?? process.arch,
    os: 'linux',
    config: {
      Cmd: command,
      Env: ['PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin'],
      WorkingDir: '/',
    },
    rootfs: { type: 'layers', diff_ids: [`sha256:${digest}`] },
    history: [{ created: '1970-01-01T00:00:00Z' }],
  };
  const manifest = [{ Config: 'config.json', RepoTags: [name], Layers: ['layer.tar'] }];
  await writeJson(join(folder, 'config.json'), config);
  await writeJson(join(folder, 'manifest.json'), manifest);
  const image = join(folder, 'image.tar');
  await run('tar', ['-C', folder, '-cf', image, 'manifest.json', 'config.json', 'layer.tar']);
}

const writeJson = (path: string, content: unknown): Promise<void> => writeFile(path, JSON.stringify(content));
