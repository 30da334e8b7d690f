import { execFile } from 'node:child_process';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { built, go } from '../go-programs.js';

const run = promisify(execFile);

export interface EtcdPrograms {
  /** `3.6` */
  readonly version: string;
  readonly etcd: string;
  readonly etcdctl: string;
}

/** The timeout of a hook that starts etcd: the first start on a machine compiles it. */
export const ETCD_START_MS = 10 * 60_000;

/** etcd 3.6 built with Go, and the one that is installed (3.4 on Debian 12). */
export async function findEtcd(): Promise<readonly EtcdPrograms[]> {
  const found: EtcdPrograms[] = [];
  const hasGo = await run('go', ['version']).then(
    () => true,
    () => false,
  );
  if (hasGo) found.push(await buildEtcd());
  else console.error('Skipped: etcd 3.6 needs Go');
  const installed = await run('etcd', ['--version']).catch(() => null);
  const version = /etcd Version: (\d+\.\d+)/.exec(installed?.stdout ?? '')?.[1];
  if (version === undefined) console.error('Skipped: the package etcd-server is not installed');
  else found.push({ version, etcd: 'etcd', etcdctl: 'etcdctl' });
  return found;
}

async function buildEtcd(): Promise<EtcdPrograms> {
  const folder = join(import.meta.dirname, 'peers/etcd');
  const flags = ['-p', '2', '-trimpath', '-ldflags', '-s -w'];
  const entry = await built('etcd', folder, flags, async (made) => {
    for (const [program, module] of [
      ['etcd', 'server'],
      ['etcdctl', 'etcdctl'],
    ] as const)
      await go(folder, ['build', ...flags, '-o', join(made.path, program), `go.etcd.io/etcd/${module}/v3`]);
  });
  return { version: '3.6', etcd: join(entry, 'etcd'), etcdctl: join(entry, 'etcdctl') };
}
