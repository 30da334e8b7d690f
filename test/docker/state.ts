import { execFileSync } from 'node:child_process';
import { existsSync, readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';

const lines = (argv: readonly [string, ...string[]]): string[] =>
  execFileSync(argv[0], argv.slice(1), { encoding: 'utf8' }).split('\n').filter(Boolean);
const names = (path: string): string[] => (existsSync(path) ? readdirSync(path) : []);

/** What a daemon of a study could leave on the machine, beside what every study could. */
export function dockerTraces(): Readonly<Record<string, readonly string[]>> {
  const cgroups = '/sys/fs/cgroup';
  const hierarchies = [cgroups, ...names(cgroups).map((name) => join(cgroups, name))];
  return {
    daemons: lines(['ps', '-eo', 'args=']).filter((line) => /^dockerd .*barewire/.test(line)),
    mounts: readFileSync('/proc/self/mounts', 'utf8')
      .split('\n')
      .filter((line) => line.includes('barewire')),
    cgroups: hierarchies.flatMap((path) =>
      existsSync(join(path, 'cgroup.procs'))
        ? names(path).filter((name) => /^barewire-[a-z0-9]{6}-/.test(name))
        : [],
    ),
    folders: names('/var/lib/barewire/docker'),
    places: [
      '/etc/docker',
      '/run/docker',
      '/run/containerd',
      '/var/lib/docker',
      '/var/lib/containerd',
    ].flatMap((path) => names(path).map((name) => join(path, name))),
    rules: lines(['iptables-save']).filter((line) => !line.startsWith('#')),
  };
}
