import type { NetworkDevice } from '../../schema/index.js';
import { matchQueues, readInterrupts } from './interrupts.js';
import type { SystemFiles } from './system-files.js';

/** Reads every network device but loopback. */
export const readDevices = (files: SystemFiles): NetworkDevice[] =>
  files
    .names('/sys/class/net')
    .filter((name) => name !== 'lo' && files.exists(`/sys/class/net/${name}/queues`))
    .sort()
    .map((name) => readDevice(files, name));

function readDevice(files: SystemFiles, name: string): NetworkDevice {
  const folder = `/sys/class/net/${name}`;
  const hardware = `${folder}/device`;
  const driver = files.exists(hardware)
    ? (files.linkName(`${hardware}/driver`) ??
      /^DRIVER=(.+)$/m.exec(files.text(`${hardware}/uevent`) ?? '')?.[1] ??
      'unknown')
    : null;
  const node =
    files.number(`${hardware}/numa_node`) ?? files.number(`${files.parent(hardware) ?? ''}/numa_node`);
  const [received, sent] = ['rx-', 'tx-'].map((prefix) => files.numbered(`${folder}/queues`, prefix));
  const rxNumbers = received ?? [];
  const txNumbers = sent ?? [];
  const interrupts = driver === null ? [] : readInterrupts(files, hardware);
  const of = matchQueues(interrupts, { name, driver }, Math.max(rxNumbers.length, txNumbers.length));
  return {
    name,
    driver,
    node: node === null || node < 0 ? null : node,
    rxQueues: rxNumbers.map((queue) => ({
      queue,
      irq: of.rx.get(queue) ?? null,
      rpsCpus: files.cpuMask(`${folder}/queues/rx-${queue}/rps_cpus`),
      rpsFlows: files.number(`${folder}/queues/rx-${queue}/rps_flow_cnt`),
    })),
    txQueues: txNumbers.map((queue) => ({
      queue,
      irq: of.tx.get(queue) ?? null,
      xpsCpus: files.cpuMask(`${folder}/queues/tx-${queue}/xps_cpus`),
    })),
    interrupts,
  };
}
