import { dirname } from 'node:path';
import type { Topology } from '../../schema/index.js';
import { readCpus } from './cpus.js';
import { readDevices } from './devices.js';
import { SystemFiles } from './system-files.js';

/**
 * Reads the topology of a machine. Changes nothing and needs no rights.
 *
 * @param sysroot `/`, or a folder with the procfs and sysfs files of another machine
 * @param settings the paths of the files whose values are wanted
 */
export function readTopology(sysroot: string, settings: readonly string[]): Topology {
  const files = new SystemFiles(sysroot);
  const kernel =
    files.text('/proc/sys/kernel/osrelease') ??
    /^Linux version (\S+)/.exec(files.text('/proc/version') ?? '')?.[1] ??
    null;
  return {
    kernel,
    ...readCpus(files),
    devices: readDevices(files),
    defaultDevice:
      /^(\S+)\t00000000\t[^\t]+\t\w*[13579BDF]\t/im.exec(files.text('/proc/net/route') ?? '')?.[1] ?? null,
    irqbalance: runsIrqbalance(files),
    conntrack: readConntrack(files),
    congestionControls: readCongestionControls(files, kernel),
    idleDriver: files.text('/sys/devices/system/cpu/cpuidle/current_driver'),
    files: readSettings(files, settings),
  };
}

/** No kernel has fewer entries in a folder of settings; a recorded machine may have only some of the files. */
const FULL_FOLDER = 10;

/** Null for a file that the kernel lacks; a file is absent where its folder was not recorded. */
function readSettings(files: SystemFiles, paths: readonly string[]): Record<string, string | null> {
  const values = paths.map((path) => [path, files.text(path)] as const);
  const recorded = new Set(values.flatMap(([path, value]) => (value === null ? [] : [dirname(path)])));
  return Object.fromEntries(
    values.filter(
      ([path]) => recorded.has(dirname(path)) || files.names(dirname(path)).length >= FULL_FOLDER,
    ),
  );
}

/** A pid file may be older than the machine's start: the process has to be there, unless no process was recorded. */
function runsIrqbalance(files: SystemFiles): boolean {
  const pids = files.numbered('/proc', '');
  if (pids.some((pid) => files.text(`/proc/${pid}/comm`) === 'irqbalance')) return true;
  const recorded = ['/run/irqbalance.pid', '/run/irqbalance/irqbalance.pid', '/var/run/irqbalance.pid'];
  return pids.length === 0 && recorded.some((path) => files.exists(path));
}

function readConntrack(files: SystemFiles): boolean | null {
  const isLoaded =
    files.exists('/proc/sys/net/netfilter/nf_conntrack_max') || files.exists('/sys/module/nf_conntrack');
  if (isLoaded) return true;
  return files.exists('/sys/module') || files.exists('/proc/sys/net/netfilter') ? false : null;
}

/** Those that are loaded, and those that the kernel loads when they are asked for. */
function readCongestionControls(files: SystemFiles, kernel: string | null): string[] | null {
  const loaded = files.text('/proc/sys/net/ipv4/tcp_available_congestion_control');
  if (loaded === null) return null;
  const modules = files.text(`/lib/modules/${kernel ?? ''}/modules.dep`) ?? '';
  const loadable = [...modules.matchAll(/\/net\/ipv4\/tcp_(\w+)\.ko[^:\n]*:/g)].map(([, name = '']) => name);
  return [...new Set([...loaded.split(/\s+/), ...loadable.filter((name) => name !== 'diag')])];
}
