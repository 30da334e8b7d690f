import { execFile } from 'node:child_process';
import { existsSync } from 'node:fs';
import { delimiter, isAbsolute, join } from 'node:path';
import { promisify } from 'node:util';
import { packageOf, toolsOf } from '../../../src/schema/index.js';

type Support = { readonly ok: true } | { readonly ok: false; readonly reason: string };

/** Cgroup controllers that the kubelet requires in version 1 of cgroups. */
const CONTROLLERS = ['cpu', 'cpuacct', 'cpuset', 'memory', 'pids'];

/** Whether this machine can run a test cluster. */
export async function clusterSupport(): Promise<Support> {
  const no = (reason: string): Support => ({ ok: false, reason });
  if (process.platform !== 'linux' || process.getuid?.() !== 0)
    return no('a test cluster needs root on Linux');
  const missing = toolsOf('cluster').filter((tool) => !hasTool(tool));
  if (missing.length > 0)
    return no(
      `a test cluster needs the packages ${[...new Set(missing.map((tool) => packageOf(tool)))].join(', ')}`,
    );
  const go = await promisify(execFile)('go', ['env', 'GOVERSION']).catch(() => null);
  if (go === null) return no('a test cluster needs Go');
  const controllers = CONTROLLERS.filter((name) => !existsSync(`/sys/fs/cgroup/${name}`));
  if (controllers.length > 0) return no(`a test cluster needs cgroups v1 with ${controllers.join(', ')}`);
  return { ok: true };
}

const hasTool = (tool: string): boolean =>
  isAbsolute(tool)
    ? existsSync(tool)
    : [...(process.env['PATH'] ?? '').split(delimiter), '/usr/sbin', '/sbin'].some((folder) =>
        existsSync(join(folder, tool)),
      );
