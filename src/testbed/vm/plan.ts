import { localMac, type NetworkHost } from '../../network/index.js';
import type { HostRole, Wire } from '../types.js';
import type { NicPlan } from '../../guest/index.js';

export const ROLES = ['client', 'server'] as const satisfies HostRole[];

/** Where QEMU stands, with the taps of both guests: a namespace of the run, so that the machine's own is not touched. */
export const baseNetns = (run: string): string => `bw-${run}-vm`;
/** Both guests' files, and the keys to them. */
export const baseFolder = (run: string): string => `/run/barewire/${run}-vm`;
export const guestFolder = (run: string, role: HostRole): string => `${baseFolder(run)}/${role}`;

export const WIRE_BRIDGE = 'wire';
export const dataTap = (role: HostRole): string => `wire-${role}`;

export const MANAGEMENT_DEV = 'mgmt0';
export const MANAGEMENT_MTU = 1500;

/** The way in: a link to each guest alone, in addresses that RFC 5737 keeps for documents. */
export interface ManagementLink {
  readonly tap: string;
  readonly mac: string;
  /** The machine's end. */
  readonly near: string;
  readonly guest: string;
  readonly prefix: number;
}

export function managementLink(run: string, role: HostRole): ManagementLink {
  const first = ROLES.indexOf(role) * 4;
  return {
    tap: `mgmt-${role}`,
    mac: localMac('management', run, role),
    near: `192.0.2.${first + 1}`,
    guest: `192.0.2.${first + 2}`,
    prefix: 30,
  };
}

/** The data NIC first: the kernel finds them in this order. */
export function nicsOf(
  run: string,
  { mac }: NetworkHost,
  role: HostRole,
  wire: Wire,
  queues: number,
): NicPlan[] {
  const management = managementLink(run, role);
  return [
    { tap: dataTap(role), mac, mtu: wire.mtu, queues },
    { tap: management.tap, mac: management.mac, mtu: MANAGEMENT_MTU, queues: 1 },
  ];
}
