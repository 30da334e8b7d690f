import { parseCpuList, type Topology } from '../../schema/index.js';
import type { SystemFiles } from './system-files.js';

type Cpus = Pick<Topology, 'cpus' | 'offline' | 'isolated' | 'cpuCount' | 'allowed' | 'nodes'>;

const CPUS = '/sys/devices/system/cpu';
const NODES = '/sys/devices/system/node';

/** Reads CPUs with their cores and NUMA nodes. A machine without NUMA has the node 0. */
export function readCpus(files: SystemFiles): Cpus {
  const folders = files.numbered(CPUS, 'cpu');
  const online = files.cpuList(`${CPUS}/online`) ?? folders;
  const present = files.cpuList(`${CPUS}/present`) ?? folders;
  const listed = files.numbered(NODES, 'node').map((node) => ({
    node,
    cpus: (
      files.cpuList(`${NODES}/node${node}/cpulist`) ??
      files.cpuMask(`${NODES}/node${node}/cpumap`) ??
      []
    ).filter((cpu) => online.includes(cpu)),
  }));
  const nodes = listed.some(({ cpus }) => cpus.length > 0) ? listed : [{ node: 0, cpus: online }];
  const coreOf = (cpu: number): string | null => {
    const core = files.number(`${CPUS}/cpu${cpu}/topology/core_id`);
    return core === null
      ? null
      : `${files.text(`${CPUS}/cpu${cpu}/topology/physical_package_id`) ?? ''}/${core}`;
  };
  return {
    cpus: online.map((cpu) => {
      const folder = `${CPUS}/cpu${cpu}`;
      const siblings =
        files.cpuList(`${folder}/topology/thread_siblings_list`) ??
        files.cpuList(`${folder}/topology/core_cpus_list`) ??
        files.cpuMask(`${folder}/topology/thread_siblings`) ??
        online.filter((other) => coreOf(other) !== null && coreOf(other) === coreOf(cpu));
      return {
        cpu,
        node: nodes.find(({ cpus }) => cpus.includes(cpu))?.node ?? 0,
        siblings: [...new Set([cpu, ...siblings.filter((sibling) => online.includes(sibling))])].sort(
          (one, other) => one - other,
        ),
        governor: files.text(`${folder}/cpufreq/scaling_governor`),
        governors: (files.text(`${folder}/cpufreq/scaling_available_governors`) ?? '')
          .split(/\s+/)
          .filter((name) => name !== ''),
        energyBias: files.text(`${folder}/power/energy_perf_bias`),
      };
    }),
    offline: present.filter((cpu) => !online.includes(cpu)),
    isolated: (files.cpuList(`${CPUS}/isolated`) ?? []).filter((cpu) => online.includes(cpu)),
    cpuCount: Math.max(-1, ...online, ...present) + 1,
    allowed: readAllowed(files, online),
    nodes,
  };
}

/** The online CPUs that the affinity of this process and the cpuset of its cgroup allow. */
function readAllowed(files: SystemFiles, online: readonly number[]): number[] {
  const affinity = /^Cpus_allowed_list:\s*(\S+)$/m.exec(files.text('/proc/self/status') ?? '')?.[1];
  const groups = files.text('/proc/self/cgroup') ?? '';
  const v1 = /^\d+:(?:[^:]*,)?cpuset(?:,[^:]*)?:(.*)$/m.exec(groups)?.[1];
  const v2 = /^0::(.*)$/m.exec(groups)?.[1] ?? '';
  const sets = [
    parseCpuList(affinity ?? ''),
    files.cpuList(`/sys/fs/cgroup${v2}/cpuset.cpus.effective`),
    v1 === undefined ? null : files.cpuList(`/sys/fs/cgroup/cpuset${v1}/cpuset.effective_cpus`),
  ].filter((set) => set !== null && set.length > 0);
  return online.filter((cpu) => sets.every((set) => set?.includes(cpu)));
}
