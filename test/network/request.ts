import {
  CATALOG,
  findNetwork,
  type HostPlan,
  type NetworkHost,
  type NetworkRequest,
} from '../../src/network/index.js';
import { printAction } from '../../src/schema/index.js';

const host = (name: string, index: number): NetworkHost => ({
  name,
  index,
  dev: 'eth0',
  address: `198.18.0.${index}`,
  prefix: 24,
  mac: `02:00:00:00:00:0${index}`,
  mtu: 1500,
});

/** Two hosts on a wire, as a testbed gives them. */
export const twoHosts: NetworkRequest = { run: 'r1', hosts: [host('client', 1), host('server', 2)] };
export const names = CATALOG.map(({ name }) => name);

/** The same over IPv6. */
export const twoHosts6: NetworkRequest = {
  ...twoHosts,
  hosts: twoHosts.hosts.map((one) => ({ ...one, address: `2001:2:0:18::${one.index}`, prefix: 64 })),
};

/** The client's plan. */
export function clientPlan(name: string, request: NetworkRequest = twoHosts): HostPlan {
  const [plan] = findNetwork(name).plan(request);
  if (plan === undefined) throw new Error(`${name} has no plan for the first host`);
  return plan;
}

export const printed = (plan: HostPlan): string[] => plan.steps.map((step) => printAction(step.do));
