import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { built, go } from '../../go-programs.js';

const here = import.meta.dirname;
const FLANNEL = 'github.com/flannel-io/flannel';

/** The paths of `kube` (every component and kubectl) and of `pause`. Takes minutes the first time. */
export async function buildKube(): Promise<{ readonly kube: string; readonly pause: string }> {
  const folder = join(here, 'kube');
  const flags = ['-p', '2', '-trimpath', '-ldflags', await kubeLinkerFlags(folder)];
  const entry = await built('kube', folder, flags, async (made) => {
    await go(folder, ['build', ...flags, '-o', `${made.path}/`, '.', './pause']);
  });
  return { kube: join(entry, 'kube'), pause: join(entry, 'pause') };
}

/** Components without a version refuse each other. */
async function kubeLinkerFlags(folder: string): Promise<string> {
  const version = /k8s\.io\/kubernetes (v1\.(\d+)\.\d+)/.exec(await readFile(join(folder, 'go.mod'), 'utf8'));
  const values = {
    gitVersion: version?.[1],
    gitMajor: '1',
    gitMinor: version?.[2],
    gitTreeState: 'clean',
    gitCommit: '0',
    buildDate: '1970-01-01T00:00:00Z',
  };
  const variables = ['k8s.io/component-base/version', 'k8s.io/client-go/pkg/version'].flatMap((module) =>
    Object.entries(values).map(([name, value]) => `-X ${module}.${name}=${value ?? ''}`),
  );
  return ['-s', '-w', ...variables].join(' ');
}

/**
 * The path of flanneld: the program of its module without two backends: `tencent-vpc`, whose SDK a module proxy
 * may refuse, and `udp`, which needs a C compiler.
 */
export async function buildFlanneld(): Promise<string> {
  const folder = join(here, 'flannel');
  const flags = ['-p', '2', '-trimpath', '-ldflags', '-s -w'];
  const entry = await built('flannel', folder, flags, async (made) => {
    await go(folder, ['mod', 'download', FLANNEL]);
    const module = await go(folder, ['list', '-m', '-f', '{{.Dir}}', FLANNEL]);
    for (const name of ['go.mod', 'go.sum']) await made.copy(join(folder, name), `source/${name}`);
    const main = await readFile(join(module, 'main.go'), 'utf8');
    await made.write('source/main.go', main.replaceAll(/^.*\/backend\/(tencentvpc|udp)".*\n/gm, ''));
    await go(join(made.path, 'source'), ['build', ...flags, '-o', join(made.path, 'flanneld'), '.']);
    await made.remove('source');
  });
  return join(entry, 'flanneld');
}
