import { localMac, type NetworkHost } from '../../network/index.js';
import type { HostRole, Wire } from '../types.js';
import type { NicPlan } from '../../guest/index.js';

export const ROLES = ['client', 'server'] as const satisfies HostRole[];

/** The namespace of QEMU and of both guests' taps, so that the machine's own namespace is not changed. */
export const baseNetns = (run: string): string => `bw-${run}-vm`;
/** The directory of both guests' files and keys. */
export const baseFolder = (run: string): string => `/run/barewire/${run}-vm`;
export const guestFolder = (run: string, role: HostRole): string => `${baseFolder(run)}/${role}`;

export const WIRE_BRIDGE = 'wire';
/** The wire's own address, where it routes in place of a VPC. */
export const WIRE_ROUTER = '198.18.0.254';
export const dataTap = (role: HostRole): string => `wire-${role}`;

export const MANAGEMENT_DEV = 'mgmt0';
export const MANAGEMENT_MTU = 1500;

/** The management link of one guest, with addresses that RFC 5737 reserves for documentation. */
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

/** The data NIC comes first, because the kernel numbers NICs in this order. */
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
