import type { SetupSteps } from '../schema/index.js';
import { RUN_SYMBOL } from './symbols.js';
import type { NetworkHost, PlannedNetwork } from './types.js';

/** Counts the steps on all hosts together for networks of 2, 10 and 100 hosts with a container each, and for one host more than 10. */
export function countSetupSteps(network: PlannedNetwork): SetupSteps {
  const count = (hosts: number): number =>
    network
      .plan({ run: RUN_SYMBOL, hosts: Array.from({ length: hosts }, (_, index) => hostAt(index + 1)) })
      .reduce((sum, { steps }) => sum + steps.length, 0);
  const ten = count(10);
  return { hosts2: count(2), hosts10: ten, hosts100: count(100), oneMore: count(11) - ten };
}

/** Hosts on one segment that is large enough for them and their containers. */
const hostAt = (index: number): NetworkHost => ({
  name: `host${index}`,
  index,
  dev: 'eth0',
  address: `10.0.200.${index}`,
  prefix: 16,
  mac: `02:00:00:00:00:${index.toString(16).padStart(2, '0')}`,
  mtu: 1500,
  publicKey: 'key',
  ipv6: false,
  vpc: { dev: 'eth0', router: '10.0.0.1' },
});
