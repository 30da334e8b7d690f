import type { Command } from 'commander';
import {
  parseCpuList,
  requireQuantity,
  SERVER_PORT,
  userError,
  wholeQuantity,
  type Topology,
} from '../schema/index.js';
import type { TuningRoles } from '../tuning/index.js';

/** What runs on the machine that is tuned. */
export interface RoleFlags {
  readonly dev?: string;
  readonly connections: string;
  readonly port: string;
  readonly serverCpus?: string;
  readonly generatorCpus?: string;
}

export const withRoles = (command: Command): Command =>
  command
    .option('--dev <device>', 'the device that carries the load (default: that of the default route)')
    .option('--connections <n>', 'connections that the load keeps open', '64')
    .option('--port <ports>', "the server's ports, comma-separated", String(SERVER_PORT))
    .option('--server-cpus <cpus>', 'CPUs that the server may use: 0-8,18-26')
    .option('--generator-cpus <cpus>', 'CPUs that the generator may use');

/** @throws BarewireError `bad-input` */
export const readRoles = (flags: RoleFlags, topology: Topology): TuningRoles => ({
  connections: requireQuantity('--connections', flags.connections, wholeQuantity(1, 1_000_000_000)),
  ports: flags.port.split(',').map((port) => requireQuantity('--port', port, wholeQuantity(1, 65_535))),
  interface: flags.dev ?? chooseDevice(topology),
  ...cpusFlag('serverCpus', '--server-cpus', flags.serverCpus),
  ...cpusFlag('generatorCpus', '--generator-cpus', flags.generatorCpus),
});

function chooseDevice({ defaultDevice, devices }: Topology): string {
  const hardware = devices.filter(({ driver }) => driver !== null);
  const chosen = defaultDevice ?? (hardware.length === 1 ? hardware[0]?.name : undefined);
  if (chosen !== undefined) return chosen;
  const names = devices.map(({ name }) => name).join(', ');
  throw userError(
    'The machine has no default route, which would say what device carries the load.',
    `Name it with --dev. Devices: ${names === '' ? 'none' : names}.`,
  );
}

function cpusFlag(key: 'serverCpus' | 'generatorCpus', option: string, text: string | undefined) {
  if (text === undefined) return {};
  const cpus = parseCpuList(text);
  if (cpus !== null && cpus.length > 0) return { [key]: cpus };
  throw userError(`${option} must be a list of CPUs, got "${text}".`, `Use ${option} 0-3,8.`);
}
