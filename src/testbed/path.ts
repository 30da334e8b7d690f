import type { Waypoint } from '../network/index.js';
import type { Counters, Plans } from './counters.js';
import type { HostRole } from './types.js';

export interface Device {
  readonly host: HostRole;
  readonly waypoint: Waypoint;
}

/** What a device carried between two readings, in packets. */
export interface DeviceCount extends Device {
  readonly received: number;
  readonly sent: number;
}

const devices = (host: HostRole, waypoints: readonly Waypoint[]): Device[] =>
  waypoints.map((waypoint) => ({ host, waypoint }));

/** From the client's container over the wire to the server's container. */
const pathOf = ({ client, server }: Plans): Device[] => [
  ...devices('client', client.through).reverse(),
  ...devices('server', server.through),
];

function moved({ host, waypoint }: Device, before: Counters, after: Counters): DeviceCount {
  const [first, last] = [before[host].at(waypoint), after[host].at(waypoint)];
  return { host, waypoint, received: last.received - first.received, sent: last.sent - first.sent };
}

/** What the path's devices carried. */
export const passed = (plans: Plans, before: Counters, after: Counters): DeviceCount[] =>
  pathOf(plans).map((device) => moved(device, before, after));

/** What devices carried that are no part of the path. */
export const strayed = (plans: Plans, before: Counters, after: Counters): DeviceCount[] =>
  [...devices('client', plans.client.around), ...devices('server', plans.server.around)].map((device) =>
    moved(device, before, after),
  );
