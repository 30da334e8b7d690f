import type { PathDevice } from '../network/index.js';
import type { Counters, HostPlans } from './counters.js';
import type { HostRole } from './types.js';

export interface HostDevice {
  readonly host: HostRole;
  readonly waypoint: PathDevice;
}

/** What a device carried between two readings, in packets. */
export interface DeviceCount extends HostDevice {
  readonly received: number;
  readonly sent: number;
}

const devices = (host: HostRole, waypoints: readonly PathDevice[]): HostDevice[] =>
  waypoints.map((waypoint) => ({ host, waypoint }));

/** Ordered from the client's container over the wire to the server's container. */
const pathOf = ({ client, server }: HostPlans): HostDevice[] => [
  ...devices('client', client.path).reverse(),
  ...devices('server', server.path),
];

function moved({ host, waypoint }: HostDevice, before: Counters, after: Counters): DeviceCount {
  const [first, last] = [before[host].at(waypoint), after[host].at(waypoint)];
  return { host, waypoint, received: last.received - first.received, sent: last.sent - first.sent };
}

/** Counts what the devices of the path carried. */
export const countPath = (plans: HostPlans, before: Counters, after: Counters): DeviceCount[] =>
  pathOf(plans).map((device) => moved(device, before, after));

/** Counts what the devices of the bypass carried. */
export const countBypass = (plans: HostPlans, before: Counters, after: Counters): DeviceCount[] =>
  [...devices('client', plans.client.bypass), ...devices('server', plans.server.bypass)].map((device) =>
    moved(device, before, after),
  );
